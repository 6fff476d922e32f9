{#- Whole seconds from one time to another; null if either is unknown or the reading is impossible. -#}
{% macro seconds_between(earlier, later) -%}
    case when {{ later }} >= {{ earlier }} then floor(extract(epoch from {{ later }} - {{ earlier }}))::bigint end
{%- endmacro %}

{#- How far a run or job has come; nothing here depends on when it was observed. -#}
{% macro status_rank(status) -%}
    case {{ status }}
        when 'completed' then 5
        when 'in_progress' then 4
        when 'queued' then 3
        when 'waiting' then 2
        when 'pending' then 2
        when 'requested' then 1
        else 0
    end
{%- endmacro %}

{#- Conclusions that say whether the code works. -#}
{% macro is_decisive(conclusion) -%}
    coalesce({{ conclusion }} in ('success', 'failure', 'timed_out', 'startup_failure'), false)
{%- endmacro %}

{#- Over nothing a rate is null, never 0. -#}
{% macro rate(part, whole) -%}
    {{ part }}::double precision / nullif({{ whole }}, 0)
{%- endmacro %}

{#- Conclusions of runs that the statistics count one by one. -#}
{% macro run_conclusions() %}
    {%- do return([
        "success",
        "failure",
        "timed_out",
        "startup_failure",
        "cancelled",
        "skipped",
        "action_required",
        "neutral",
        "stale",
    ]) %}
{%- endmacro %}

{#- Why minutes were wasted; a job counts under the first that fits. -#}
{% macro waste_causes() %}
    {%- do return(["rerun", "superseded", "timed_out", "cancelled"]) %}
{%- endmacro %}

{#- A cancelled run, and a newer one of the same kind that was created before it ended. -#}
{% macro supersedes(newer, cancelled, created_at) -%}
    {{ cancelled }}.repository_id = {{ newer }}.repository_id
    and {{ cancelled }}.workflow_id = {{ newer }}.workflow_id
    and {{ cancelled }}.head_repository_id = {{ newer }}.head_repository_id
    and {{ cancelled }}.head_branch = {{ newer }}.head_branch
    and {{ cancelled }}.event = {{ newer }}.event
    and {{ created_at }} < coalesce({{ cancelled }}.ended_at, {{ cancelled }}.updated_at)
{%- endmacro %}
