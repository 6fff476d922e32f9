{#- Whole seconds from one time to another; null if either is unknown or the reading is impossible. -#}
{% macro seconds_between(earlier, later) -%}
    case when {{ later }} >= {{ earlier }} then floor(extract(epoch from {{ later }} - {{ earlier }}))::bigint end
{%- endmacro %}

{#- The same of two times that GitHub gave, which is impossible too before 2018 and over 35 days. -#}
{% macro reading_between(earlier, later) -%}
    case
        when {{ earlier }} >= '2018-01-01 00:00+00' and {{ later }} - {{ earlier }} <= interval '35 days'
            then {{ seconds_between(earlier, later) }}
    end
{%- endmacro %}

{#- Whether such a reading is impossible; not where one of the times is unknown. -#}
{% macro is_impossible_reading(earlier, later) -%}
    coalesce(
        {{ later }} < {{ earlier }}
        or {{ later }} - {{ earlier }} > interval '35 days'
        or ({{ earlier }} < '2018-01-01 00:00+00' and {{ later }} is not null),
        false
    )
{%- endmacro %}

{#-
The period of repository_history that a time falls into; the first one reaches back without bound. A
lateral subquery, which gives one row or none.
-#}
{% macro period_at(history, repository_id, time) -%}
    (
        select
            periods.visibility,
            periods.default_branch
        from {{ history }} as periods
        where periods.repository_id = {{ repository_id }}
        order by
            (periods.valid_from <= {{ time }}) desc,
            case when periods.valid_from <= {{ time }} then periods.valid_from end desc,
            periods.valid_from asc
        limit 1
    )
{%- endmacro %}

{#-
The rows of a view of which each column has the value of another relation's, as a lateral subquery. A
view of two tables has no statistics: joined, it would be read whole. `offset` keeps it from being joined.
-#}
{% macro rows_of(view, values) -%}
    (
        select found.*
        from {{ view }} as found
        where
            {%- for column, value in values.items() %}
            found.{{ column }} = {{ value }}{{ " and" if not loop.last }}
            {%- endfor %}
        offset 0
    )
{%- endmacro %}

{#- Which six hours of a day a time lies in, by their beginning. -#}
{% macro six_hours_of(time) -%}
    date_bin('6 hours', {{ time }}, '2000-01-01 00:00+00')
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

{#- Conclusions that the statistics of runs and of jobs count one by one. -#}
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
