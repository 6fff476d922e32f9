with touched as (
    select run_id from {{ touched() }}
),

attempts as (
    select attempts.*
    from {{ ref('workflow_run_attempts') }} as attempts
    inner join touched on attempts.run_id = touched.run_id
),

newest_attempts as (
    select distinct on (repository_id, run_id) *
    from attempts
    order by repository_id asc, run_id asc, run_attempt desc
),

-- The earliest attempt that is known dates the run.
creation_times as (
    select distinct on (repository_id, run_id)
        repository_id,
        run_id,
        created_at
    from attempts
    where created_at is not null
    order by repository_id, run_id, run_attempt
),

first_attempts as (
    select
        repository_id,
        run_id,
        case when is_completed then conclusion end as conclusion,
        case when jobs_executed > 0 then ended_at end as ended_at
    from attempts
    where run_attempt = 1
),

-- Names that executed twice in an attempt: nothing tells their jobs in two attempts apart.
ambiguous_names as (
    select
        repository_id,
        run_id,
        count(distinct coalesce(name, '')) as name_count
    from (
        select
            jobs.repository_id,
            jobs.run_id,
            jobs.name
        from {{ ref('int_github__jobs') }} as jobs
        inner join touched on jobs.run_id = touched.run_id
        where jobs.is_executed
        group by jobs.repository_id, jobs.run_id, jobs.run_attempt, jobs.name
        having count(*) > 1
    ) as executed_twice
    group by repository_id, run_id
),

flaky_runs as (
    select distinct
        failed.repository_id,
        failed.run_id
    from attempts as failed
    inner join attempts as passed
        on
            failed.repository_id = passed.repository_id
            and failed.run_id = passed.run_id
            and failed.run_attempt < passed.run_attempt
    where
        failed.is_completed
        and failed.conclusion in ('failure', 'timed_out')
        and passed.is_completed
        and passed.conclusion = 'success'
)

select
    newest_attempts.run_id,
    newest_attempts.run_attempt,
    newest_attempts.repository_id,
    newest_attempts.workflow_id,
    newest_attempts.run_number,
    newest_attempts.name,
    newest_attempts.display_title,
    newest_attempts.event,
    newest_attempts.status,
    newest_attempts.conclusion,
    newest_attempts.is_completed,
    newest_attempts.is_decisive,
    newest_attempts.head_branch,
    newest_attempts.head_sha,
    newest_attempts.head_repository_id,
    newest_attempts.pull_request_numbers,
    newest_attempts.actor_id,
    newest_attempts.actor_login,
    newest_attempts.triggering_actor_id,
    newest_attempts.triggering_actor_login,
    (creation_times.created_at at time zone 'UTC')::date as day,
    creation_times.created_at,
    newest_attempts.run_started_at,
    newest_attempts.updated_at,
    newest_attempts.ended_at,
    newest_attempts.duration_seconds,
    newest_attempts.api_duration_seconds,
    newest_attempts.queue_seconds,
    newest_attempts.time_to_red_seconds,
    newest_attempts.red_overrun_seconds,
    newest_attempts.busy_seconds,
    newest_attempts.covered_seconds,
    newest_attempts.parallelism,
    newest_attempts.idle_seconds,
    newest_attempts.health_group,
    {{ seconds_between('creation_times.created_at', 'first_attempts.ended_at') }}
        as time_to_signal_seconds,
    first_attempts.conclusion as first_attempt_conclusion,
    flaky_runs.run_id is not null as is_flaky,
    coalesce(ambiguous_names.name_count, 0) as ambiguous_name_count,
    newest_attempts.jobs_listed,
    newest_attempts.jobs_executed,
    newest_attempts.was_approved,
    newest_attempts.html_url,
    newest_attempts.gone_at
from newest_attempts
inner join creation_times
    on
        newest_attempts.repository_id = creation_times.repository_id
        and newest_attempts.run_id = creation_times.run_id
left join first_attempts
    on
        newest_attempts.repository_id = first_attempts.repository_id
        and newest_attempts.run_id = first_attempts.run_id
left join flaky_runs
    on
        newest_attempts.repository_id = flaky_runs.repository_id
        and newest_attempts.run_id = flaky_runs.run_id
left join ambiguous_names
    on
        newest_attempts.repository_id = ambiguous_names.repository_id
        and newest_attempts.run_id = ambiguous_names.run_id
