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

job_totals as (
    select
        run_id,
        run_attempt,
        count(*) as jobs_listed,
        count(*) filter (where is_executed) as jobs_executed,
        min(started_at) filter (where is_executed) as first_started_at,
        max(completed_at) filter (where is_executed) as last_completed_at,
        -- A re-run lists copies of jobs that no webhook tells of.
        count(*) filter (where not is_carried_over and not was_seen_by_poll)
            as webhook_only_job_count,
        count(*) filter (where not is_carried_over and not was_seen_by_webhook)
            as poll_only_job_count,
        count(*) filter (where not is_carried_over and was_seen_by_webhook and was_seen_by_poll)
            as both_job_count,
        count(*) filter (where not is_carried_over and was_corrected) as corrected_job_count
    from jobs
    group by run_id, run_attempt
),

measured as (
    select
        attempts.*,
        case when attempts.is_completed then job_totals.last_completed_at end as ended_at,
        job_totals.first_started_at,
        coalesce(job_totals.jobs_listed, 0) as jobs_listed,
        coalesce(job_totals.jobs_executed, 0) as jobs_executed,
        coalesce(job_totals.webhook_only_job_count, 0) as webhook_only_job_count,
        coalesce(job_totals.poll_only_job_count, 0) as poll_only_job_count,
        coalesce(job_totals.both_job_count, 0) as both_job_count,
        coalesce(job_totals.corrected_job_count, 0) as corrected_job_count
    from attempts
    left join job_totals
        on attempts.run_id = job_totals.run_id and attempts.run_attempt = job_totals.run_attempt
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
    measured.actor_id,
    measured.actor_login,
    measured.triggering_actor_id,
    measured.triggering_actor_login,
    measured.created_at,
    measured.run_started_at,
    measured.updated_at,
    measured.ended_at,
    {{ seconds_between('measured.run_started_at', 'measured.ended_at') }} as duration_seconds,
    case
        when measured.is_completed
            then {{ seconds_between('measured.run_started_at', 'measured.updated_at') }}
    end as api_duration_seconds,
    {{ seconds_between('measured.run_started_at', 'measured.first_started_at') }} as queue_seconds,
    measured.jobs_listed,
    measured.jobs_executed,
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
