with repositories as (
    select repository_id from {{ ref('repositories') }}
),

workflows as (
    select repository_id, workflow_id from {{ ref('workflows') }}
),

touched as (
    select run_id from {{ touched() }}
),

attempts as (
    select attempts.*
    from {{ ref('int_github__workflow_run_attempts') }} as attempts
    inner join touched on attempts.run_id = touched.run_id
),

jobs as (
    select jobs.*
    from {{ ref('int_github__jobs') }} as jobs
    inner join touched on jobs.run_id = touched.run_id
),

creation_times as (
    select distinct on (repository_id, run_id)
        repository_id,
        run_id,
        created_at
    from attempts
    where created_at is not null
    order by repository_id, run_id, run_attempt
),

-- Of an impossible duration the end counts, unless that is what is impossible.
ends as (
    select
        jobs.*,
        attempts.run_started_at,
        case
            when not jobs.is_impossible_duration then jobs.completed_at
            when jobs.completed_at < '2018-01-01 00:00+00' then null
            when jobs.completed_at - attempts.run_started_at > interval '35 days' then null
            else jobs.completed_at
        end as counted_end
    from jobs
    inner join attempts
        on
            jobs.repository_id = attempts.repository_id
            and jobs.run_id = attempts.run_id
            and jobs.run_attempt = attempts.run_attempt
),

-- What a job adds to the union of the spans of those that began before it.
spans as (
    select
        repository_id,
        run_id,
        run_attempt,
        completed_at - greatest(
            started_at,
            max(completed_at) over (
                partition by repository_id, run_id, run_attempt
                order by started_at, job_id
                rows between unbounded preceding and 1 preceding
            )
        ) as added
    from ends
    where is_executed and duration_seconds is not null
),

covered as (
    select
        repository_id,
        run_id,
        run_attempt,
        floor(extract(epoch from sum(added) filter (where added > interval '0')))::bigint
            as covered_seconds
    from spans
    group by repository_id, run_id, run_attempt
),

job_totals as (
    select
        repository_id,
        run_id,
        run_attempt,
        count(*) as jobs_listed,
        count(*) filter (where is_executed) as jobs_executed,
        min(started_at) filter (where is_executed) as first_started_at,
        max(counted_end) filter (where is_executed) as last_ended_at,
        bool_or(is_executed and completed_at is null) as is_any_without_end,
        min(counted_end) filter (
            where is_executed and status = 'completed' and conclusion in ('failure', 'timed_out')
        ) as first_failed_at,
        sum(duration_seconds)::bigint as busy_seconds,
        -- A re-run lists copies of jobs that no webhook tells of.
        count(*) filter (where not is_carried_over and not was_seen_by_poll)
            as webhook_only_job_count,
        count(*) filter (where not is_carried_over and not was_seen_by_webhook)
            as poll_only_job_count,
        count(*) filter (where not is_carried_over and was_seen_by_webhook and was_seen_by_poll)
            as both_job_count,
        count(*) filter (where not is_carried_over and was_corrected) as corrected_job_count
    from ends
    group by repository_id, run_id, run_attempt
),

joined as (
    select
        attempts.*,
        creation_times.created_at as run_created_at,
        job_totals.first_started_at,
        case
            when not attempts.is_completed then null
            when coalesce(job_totals.jobs_executed, 0) = 0 then attempts.run_started_at
            when not job_totals.is_any_without_end then job_totals.last_ended_at
        end as ended_at,
        case
            when attempts.is_completed and attempts.conclusion in ('failure', 'timed_out')
                then job_totals.first_failed_at
        end as red_at,
        case when attempts.is_completed then job_totals.busy_seconds end as busy_seconds,
        case
            when attempts.is_completed and job_totals.busy_seconds is not null
                then coalesce(covered.covered_seconds, 0)
        end as covered_seconds,
        coalesce(job_totals.jobs_listed, 0) as jobs_listed,
        coalesce(job_totals.jobs_executed, 0) as jobs_executed,
        coalesce(job_totals.webhook_only_job_count, 0) as webhook_only_job_count,
        coalesce(job_totals.poll_only_job_count, 0) as poll_only_job_count,
        coalesce(job_totals.both_job_count, 0) as both_job_count,
        coalesce(job_totals.corrected_job_count, 0) as corrected_job_count
    from attempts
    left join creation_times
        on
            attempts.repository_id = creation_times.repository_id
            and attempts.run_id = creation_times.run_id
    left join job_totals
        on
            attempts.repository_id = job_totals.repository_id
            and attempts.run_id = job_totals.run_id
            and attempts.run_attempt = job_totals.run_attempt
    left join covered
        on
            attempts.repository_id = covered.repository_id
            and attempts.run_id = covered.run_id
            and attempts.run_attempt = covered.run_attempt
),

measured as (
    select
        joined.*,
        case
            when joined.jobs_executed > 0
                then {{ seconds_between('joined.run_started_at', 'joined.ended_at') }}
        end as duration_seconds,
        case
            when joined.event = 'merge_group' then 'merge_queue'
            when
                joined.event in ('push', 'schedule', 'workflow_dispatch')
                and joined.head_repository_id = joined.repository_id
                and joined.head_branch = period.default_branch
                then 'default_branch'
        end as health_group
    from joined
    left join
        lateral
        {{ period_at(ref('repository_history'), 'joined.repository_id', 'joined.run_created_at') }}
            as period
        on joined.run_created_at is not null
)

select
    measured.run_id,
    measured.run_attempt,
    measured.repository_id,
    measured.workflow_id,
    measured.run_number,
    measured.name,
    measured.display_title,
    measured.event,
    measured.status,
    measured.conclusion,
    measured.is_completed,
    measured.is_completed and {{ is_decisive('measured.conclusion') }} as is_decisive,
    measured.head_branch,
    measured.head_sha,
    measured.head_repository_id,
    measured.pull_request_numbers,
    measured.actor_id,
    measured.actor_login,
    measured.triggering_actor_id,
    measured.triggering_actor_login,
    measured.created_at,
    measured.run_created_at,
    measured.run_started_at,
    measured.updated_at,
    measured.ended_at,
    measured.duration_seconds,
    case
        when measured.is_completed
            then {{ seconds_between('measured.run_started_at', 'measured.updated_at') }}
    end as api_duration_seconds,
    {{ seconds_between('measured.run_started_at', 'measured.first_started_at') }} as queue_seconds,
    {{ seconds_between('measured.run_started_at', 'measured.red_at') }} as time_to_red_seconds,
    {{ seconds_between('measured.red_at', 'measured.ended_at') }} as red_overrun_seconds,
    measured.busy_seconds,
    measured.covered_seconds,
    {{ rate('measured.busy_seconds', 'measured.covered_seconds') }} as parallelism,
    measured.duration_seconds - measured.covered_seconds as idle_seconds,
    measured.health_group,
    measured.jobs_listed,
    measured.jobs_executed,
    measured.was_approved,
    measured.html_url,
    measured.gone_at,
    measured.was_seen_by_webhook,
    measured.was_seen_by_poll,
    measured.was_corrected,
    measured.webhook_only_job_count,
    measured.poll_only_job_count,
    measured.both_job_count,
    measured.corrected_job_count
from measured
inner join repositories on measured.repository_id = repositories.repository_id
inner join workflows
    on
        measured.repository_id = workflows.repository_id
        and measured.workflow_id = workflows.workflow_id
