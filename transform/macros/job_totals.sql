{#-
What statistics say of jobs, as aggregates over their rows. A sum of minutes is null where no job has
executed and completed, and 0 where none of them had any.
-#}
{% macro job_totals() -%}
    count(*) as jobs_listed,
    count(*) filter (where is_executed) as jobs_executed,
    count(*) filter (where is_carried_over) as jobs_carried_over,
    count(*) filter (where is_impossible_queue) as impossible_queue_count,
    count(*) filter (where is_impossible_duration) as impossible_duration_count,
    sum(wasted_minutes)::bigint as wasted_minutes,
    {%- for cause in waste_causes() %}
    sum(
        case
            when waste_cause = '{{ cause }}' then wasted_minutes
            when wasted_minutes is not null then 0
        end
    )::bigint as {{ cause }}_wasted_minutes,
    {%- endfor %}
    {{ minutes_and_cost() }}
{%- endmacro %}

{#- What jobs took and cost. A sum of cost is of those that have a price, and says so. -#}
{% macro minutes_and_cost() -%}
    {%- set is_unpriced = "billable_minutes is not null and estimated_cost_usd is null" -%}
    sum(billable_minutes)::bigint as billable_minutes,
    sum(self_hosted_minutes)::bigint as self_hosted_minutes,
    sum(unknown_minutes)::bigint as unknown_minutes,
    sum(estimated_cost_usd)::numeric(18, 6) as estimated_cost_usd,
    sum(list_price_usd)::numeric(18, 6) as list_price_usd,
    count(*) filter (where {{ is_unpriced }}) as unpriced_job_count,
    count(*) filter (where {{ is_unpriced }}) > 0 as is_lower_bound
{%- endmacro %}

{#- How many rows of which a condition holds there are, and of each conclusion among them. -#}
{% macro conclusion_counts(condition) -%}
    {%- set conclusions = "'" ~ run_conclusions() | join("', '") ~ "'" -%}
    count(*) filter (where {{ condition }}) as completed_count,
    {%- for conclusion in run_conclusions() %}
    count(*) filter (where {{ condition }} and conclusion = '{{ conclusion }}')
        as {{ conclusion }}_count,
    {%- endfor %}
    count(*) filter (
        where {{ condition }} and (conclusion in ({{ conclusions }})) is not true
    ) as other_conclusion_count
{%- endmacro %}
