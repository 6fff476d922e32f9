with touched as (
    select job_id from {{ touched() }}
),

jobs as (
    select
        jobs.job_id,
        jobs.repository_id
    from touched
    inner join {{ ref('jobs') }} as jobs on touched.job_id = jobs.job_id
    where jobs.is_executed
),

observations as (
    select
        jobs.job_id,
        jobs.repository_id,
        observed.completed_at,
        observed.content_hash,
        case when jsonb_typeof(observed.steps) = 'array' then observed.steps end as steps,
        coalesce(observed.status = 'completed', false) as is_completed,
        coalesce(
            jsonb_array_length(
                jsonb_path_query_array(observed.steps, '$[*] ? (@.status == "completed")')
            ),
            0
        ) as completed_step_count
    from jobs
    cross join
        lateral
        {{ rows_of(
            ref('stg_github__workflow_jobs'),
            {'repository_id': 'jobs.repository_id', 'job_id': 'jobs.job_id'}
        ) }}
            as observed
),

-- Of a job that is still open, what tells of most completed steps counts.
newest as (
    select distinct on (repository_id, job_id)
        job_id,
        repository_id,
        steps
    from observations
    order by
        repository_id asc,
        job_id asc,
        is_completed desc,
        case when is_completed then completed_at end desc nulls last,
        case when is_completed then 0 else completed_step_count end desc,
        content_hash desc
),

-- Of two steps with one number the later one counts.
numbered as (
    select distinct on (
        newest.repository_id, newest.job_id, (element.step ->> 'number')::bigint
    )
        newest.job_id,
        (element.step ->> 'number')::bigint as step_number,
        newest.repository_id,
        nullif(element.step ->> 'name', '') as name,
        nullif(element.step ->> 'status', '') as status,
        nullif(element.step ->> 'conclusion', '') as conclusion,
        (element.step ->> 'started_at')::timestamptz as started_at,
        (element.step ->> 'completed_at')::timestamptz as completed_at
    from newest
    cross join
        lateral jsonb_array_elements(newest.steps) with ordinality
            as element (step, place)
    where element.step ->> 'number' is not null
    order by
        newest.repository_id asc,
        newest.job_id asc,
        (element.step ->> 'number')::bigint asc,
        element.place desc
)

select
    job_id,
    step_number,
    repository_id,
    name,
    status,
    conclusion,
    started_at,
    completed_at,
    {{ reading_between('started_at', 'completed_at') }} as duration_seconds
from numbered
