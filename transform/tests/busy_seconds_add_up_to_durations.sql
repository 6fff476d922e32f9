{#- Of each repository and set of labels: all parts of a job's run together are its duration. -#}
with hours as (
    select
        repository_id,
        labels_key,
        sum(busy_seconds) as busy_seconds
    from {{ ref('runner_statistics_by_hour') }}
    group by repository_id, labels_key
),

jobs as (
    select
        repository_id,
        labels_key,
        sum(duration_seconds) as duration_seconds
    from {{ ref('jobs') }}
    group by repository_id, labels_key
)

select
    jobs.repository_id,
    jobs.labels_key,
    jobs.duration_seconds,
    hours.busy_seconds
from jobs
left join hours
    on jobs.repository_id = hours.repository_id and jobs.labels_key = hours.labels_key
where jobs.duration_seconds is distinct from hours.busy_seconds
