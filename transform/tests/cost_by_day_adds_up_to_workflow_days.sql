{#- Of each workflow of a repository, over all days: each job costs on one of them. -#}
{%- set terms = [
    'billable_minutes', 'self_hosted_minutes', 'unknown_minutes', 'estimated_cost_usd',
    'list_price_usd', 'unpriced_job_count',
] -%}
with cost_by_day as (
    select
        repository_id,
        workflow_id,
    {%- for term in terms %}
    coalesce(sum({{ term }}), 0) as {{ term }}{{ "," if not loop.last }}
    {%- endfor %}
    from {{ ref('cost_by_day') }}
    group by repository_id, workflow_id
),

workflow_days as (
    select
        repository_id,
        workflow_id,
    {%- for term in terms %}
    coalesce(sum({{ term }}), 0) as {{ term }}{{ "," if not loop.last }}
    {%- endfor %}
    from {{ ref('workflow_statistics_by_day') }}
    group by repository_id, workflow_id
)

select
    workflow_days.repository_id,
    workflow_days.workflow_id,
{%- for term in terms %}
workflow_days.{{ term }},
cost_by_day.{{ term }} as {{ term }}_by_cost_day{{ "," if not loop.last }}
{%- endfor %}
from workflow_days
left join cost_by_day
    on
        workflow_days.repository_id = cost_by_day.repository_id
        and workflow_days.workflow_id = cost_by_day.workflow_id
where
{%- for term in terms %}
    workflow_days.{{ term }} != coalesce(cost_by_day.{{ term }}, 0){{ " or" if not loop.last }}
{%- endfor %}
