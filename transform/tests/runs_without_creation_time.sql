{#- Runs that no statistic can file under a day: GitHub gave no creation time. All there are. -#}
{{
    config(
        severity='warn',
        meta={'dagster': {'ref': {'name': 'workflow_run_attempts'}}},
    )
}}

select attempts.run_id, attempts.run_attempt
from {{ ref('workflow_run_attempts') }} as attempts
left join {{ ref('workflow_runs') }} as runs
    on attempts.repository_id = runs.repository_id and attempts.run_id = runs.run_id
where attempts.created_at is null and runs.run_id is null
