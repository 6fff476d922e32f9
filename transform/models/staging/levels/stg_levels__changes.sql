with duration_levels as (
    select
        repository_id,
        workflow_id,
        job_name_key,
        job_name,
        health_group,
        first_run_ids,
        medians,
        run_counts
    from {{ source('raw', 'duration_levels') }}
)

select
    duration_levels.repository_id,
    duration_levels.workflow_id,
    duration_levels.job_name_key,
    duration_levels.job_name,
    duration_levels.health_group,
    change.first_run_id,
    duration_levels.medians[change.place] as median_before_seconds,
    duration_levels.medians[change.place + 1] as median_after_seconds,
    duration_levels.run_counts[change.place] as run_count_before,
    duration_levels.run_counts[change.place + 1] as run_count_after,
    change.place = cardinality(duration_levels.first_run_ids) as still_holds
from duration_levels
cross join
    lateral unnest(duration_levels.first_run_ids)
    with ordinality as change (first_run_id, place)
