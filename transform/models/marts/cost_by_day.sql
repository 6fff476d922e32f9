with all_jobs as not materialized (
    select * from {{ ref('jobs') }}
),

touched as (
    select
        repository_id,
        workflow_id,
        runner_class,
        day
    from {{ touched() }}
),

jobs as (
    select all_jobs.*
    from touched
    inner join all_jobs
        on
            touched.repository_id = all_jobs.repository_id
            and touched.workflow_id = all_jobs.workflow_id
            and touched.runner_class = all_jobs.runner_class
            and touched.day = all_jobs.cost_day
    where all_jobs.is_executed
)

select
    repository_id,
    workflow_id,
    runner_class,
    cost_day as day,
    count(*) as job_count,
    {{ minutes_and_cost() }}
from jobs
group by repository_id, workflow_id, runner_class, cost_day
