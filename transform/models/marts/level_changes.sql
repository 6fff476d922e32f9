with changes as not materialized (
    select * from {{ ref('stg_levels__changes') }}
),

runs as not materialized (
    select * from {{ ref('workflow_runs') }}
),

touched as (
    select
        repository_id,
        workflow_id,
        job_name_key
    from {{ touched() }}
)

select
    changes.workflow_id,
    changes.repository_id,
    changes.job_name_key,
    changes.job_name,
    changes.health_group,
    changes.first_run_id,
    runs.head_sha as first_sha,
    runs.created_at as changed_at,
    changes.median_before_seconds,
    changes.median_after_seconds,
    changes.run_count_before,
    changes.run_count_after,
    changes.still_holds
from touched
inner join changes
    on
        touched.repository_id = changes.repository_id
        and touched.workflow_id = changes.workflow_id
        and touched.job_name_key = changes.job_name_key
inner join runs
    on changes.repository_id = runs.repository_id and changes.first_run_id = runs.run_id
