with repositories as (
    select repository_id from {{ ref('repositories') }}
),

all_runs as not materialized (
    select * from {{ ref('workflow_runs') }}
),

all_attempts as not materialized (
    select * from {{ ref('workflow_run_attempts') }}
),

all_polls as not materialized (
    select * from {{ ref('stg_github__polls') }}
),

past_polls as not materialized (
    select * from {{ ref('stg_github__polls_by_day') }}
),

touched as (
    select
        repository_id,
        day
    from {{ touched() }}
)

-- Day by day, since PostgreSQL would otherwise read all of history for a few of its days.
select
    touched.repository_id,
    touched.day,
    attempt_totals.attempt_count,
    attempt_totals.webhook_only_attempt_count,
    attempt_totals.poll_only_attempt_count,
    attempt_totals.both_attempt_count,
    attempt_totals.corrected_attempt_count,
    attempt_totals.webhook_only_job_count,
    attempt_totals.poll_only_job_count,
    attempt_totals.both_job_count,
    attempt_totals.corrected_job_count,
    poll_totals.poll_count + coalesce(past_polls.poll_count, 0) as poll_count,
    poll_totals.failed_poll_count + coalesce(past_polls.failed_poll_count, 0) as failed_poll_count,
    poll_totals.request_count + coalesce(past_polls.request_count, 0) as request_count
from touched
inner join repositories on touched.repository_id = repositories.repository_id
left join past_polls
    on touched.repository_id = past_polls.repository_id and touched.day = past_polls.day
cross join
    lateral (
        select
            count(*) as attempt_count,
            count(*) filter (where not attempts.was_seen_by_poll) as webhook_only_attempt_count,
            count(*) filter (where not attempts.was_seen_by_webhook) as poll_only_attempt_count,
            count(*) filter (where attempts.was_seen_by_webhook and attempts.was_seen_by_poll)
                as both_attempt_count,
            count(*) filter (where attempts.was_corrected) as corrected_attempt_count,
            coalesce(sum(attempts.webhook_only_job_count), 0)::bigint as webhook_only_job_count,
            coalesce(sum(attempts.poll_only_job_count), 0)::bigint as poll_only_job_count,
            coalesce(sum(attempts.both_job_count), 0)::bigint as both_job_count,
            coalesce(sum(attempts.corrected_job_count), 0)::bigint as corrected_job_count
        from all_runs as runs
        inner join all_attempts as attempts
            on runs.repository_id = attempts.repository_id and runs.run_id = attempts.run_id
        where
            runs.repository_id = touched.repository_id
            and runs.created_at >= touched.day::timestamp at time zone 'UTC'
            and runs.created_at < (touched.day + 1)::timestamp at time zone 'UTC'
    ) as attempt_totals
cross join
    lateral (
        select
            count(distinct polls.poll_id) as poll_count,
            count(distinct polls.poll_id) filter (where polls.error is not null)
                as failed_poll_count,
            coalesce(sum(polls.request_count), 0)::bigint as request_count
        from all_polls as polls
        where
            polls.repository_id = touched.repository_id
            and polls.started_at >= touched.day::timestamp at time zone 'UTC'
            and polls.started_at < (touched.day + 1)::timestamp at time zone 'UTC'
    ) as poll_totals
where attempt_totals.attempt_count > 0 or poll_totals.poll_count > 0 or past_polls.poll_count > 0
