{#- All of these add up: even flaky commits, which are counted per workflow. -#}
{%- set sums = ['run_count', 'completed_count', 'decisive_count', 'other_conclusion_count'] -%}
{%- for conclusion in run_conclusions() -%}
{%- do sums.append(conclusion ~ '_count') -%}
{%- endfor -%}
{%- do sums.extend([
    'first_attempt_success_count', 'first_attempt_decisive_count', 'rerun_count',
    'extra_attempt_count', 'flaky_run_count', 'flaky_commit_count', 'flaky_commit_latest_count',
    'jobs_listed', 'jobs_executed', 'jobs_carried_over', 'impossible_queue_count',
    'impossible_duration_count', 'unpriced_job_count', 'billable_minutes', 'self_hosted_minutes',
    'unknown_minutes', 'wasted_minutes',
]) -%}
{%- for cause in waste_causes() -%}
{%- do sums.append(cause ~ '_wasted_minutes') -%}
{%- endfor -%}
with all_days as not materialized (
    select * from {{ ref('workflow_statistics_by_day') }}
),

touched as (
    select
        repository_id,
        day
    from {{ touched() }}
),

totals as (
    select
        all_days.repository_id,
        all_days.day,
        {%- for term in sums %}
        sum(all_days.{{ term }})::bigint as {{ term }},
        {%- endfor %}
        sum(all_days.estimated_cost_usd)::numeric(18, 6) as estimated_cost_usd,
        sum(all_days.list_price_usd)::numeric(18, 6) as list_price_usd,
        bool_or(all_days.is_lower_bound) as is_lower_bound
    from touched
    inner join all_days
        on touched.repository_id = all_days.repository_id and touched.day = all_days.day
    group by all_days.repository_id, all_days.day
)

select
    *,
    {{ rate('success_count', 'decisive_count') }} as success_rate,
    {{ rate('first_attempt_success_count', 'first_attempt_decisive_count') }}
        as first_attempt_success_rate,
    {{ rate('success_count', 'completed_count') }} as success_rate_completed,
    {{ rate('rerun_count', 'run_count') }} as rerun_rate,
    (estimated_cost_usd / nullif(success_count, 0))::numeric(18, 6) as cost_per_success_usd
from totals
