{{
    config(
        unique_key=['repository_id', 'day'],
        delete_when='attempt_count = 0 and poll_count = 0',
        indexes=[{'columns': ['day']}],
    )
}}
{{- take_turn() -}}

with repositories as (
    select repository_id from {{ ref('repositories') }}
),

workflows as (
    select workflow_id, repository_id from {{ ref('workflows') }}
),

creations as (
    select workflow_id, created_at from {{ ref('int_github__creations') }}
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

-- Every day under which a touched run is, was or could have been filed, and every day of which
-- polls became known; all of them for a repository that was not known before.
touched as (
    select
        workflows.repository_id,
        (creations.created_at at time zone 'UTC')::date as day
    from creations
    inner join workflows on creations.workflow_id = workflows.workflow_id
    union
    select
        all_polls.repository_id,
        all_polls.day
    from all_polls
    {%- if is_incremental() %}
    where all_polls.repository_id in {{ repositories_without_rows(this) }}
    union
    {{ claimed_poll_days() }}
    {%- endif %}
),

attempt_totals as (
    select
        touched.repository_id,
        touched.day,
        count(*) as attempt_count,
        count(*) filter (where not attempts.was_seen_by_poll) as webhook_only_attempt_count,
        count(*) filter (where not attempts.was_seen_by_webhook) as poll_only_attempt_count,
        count(*) filter (where attempts.was_seen_by_webhook and attempts.was_seen_by_poll)
            as both_attempt_count,
        count(*) filter (where attempts.was_corrected) as corrected_attempt_count,
        sum(attempts.webhook_only_job_count)::bigint as webhook_only_job_count,
        sum(attempts.poll_only_job_count)::bigint as poll_only_job_count,
        sum(attempts.both_job_count)::bigint as both_job_count,
        sum(attempts.corrected_job_count)::bigint as corrected_job_count
    from touched
    inner join all_runs as runs
        on
            touched.repository_id = runs.repository_id
            and runs.created_at >= touched.day::timestamp at time zone 'UTC'
            and runs.created_at < (touched.day + 1)::timestamp at time zone 'UTC'
    inner join all_attempts as attempts on runs.run_id = attempts.run_id
    group by touched.repository_id, touched.day
),

poll_totals as (
    select
        touched.repository_id,
        touched.day,
        count(distinct polls.poll_id) as poll_count,
        count(distinct polls.poll_id) filter (where polls.error is not null) as failed_poll_count,
        sum(polls.request_count)::bigint as request_count
    from touched
    inner join all_polls as polls
        on
            touched.repository_id = polls.repository_id
            and polls.started_at >= touched.day::timestamp at time zone 'UTC'
            and polls.started_at < (touched.day + 1)::timestamp at time zone 'UTC'
    group by touched.repository_id, touched.day
)

select
    touched.repository_id,
    touched.day,
    coalesce(attempt_totals.attempt_count, 0) as attempt_count,
    coalesce(attempt_totals.webhook_only_attempt_count, 0) as webhook_only_attempt_count,
    coalesce(attempt_totals.poll_only_attempt_count, 0) as poll_only_attempt_count,
    coalesce(attempt_totals.both_attempt_count, 0) as both_attempt_count,
    coalesce(attempt_totals.corrected_attempt_count, 0) as corrected_attempt_count,
    coalesce(attempt_totals.webhook_only_job_count, 0) as webhook_only_job_count,
    coalesce(attempt_totals.poll_only_job_count, 0) as poll_only_job_count,
    coalesce(attempt_totals.both_job_count, 0) as both_job_count,
    coalesce(attempt_totals.corrected_job_count, 0) as corrected_job_count,
    coalesce(poll_totals.poll_count, 0) as poll_count,
    coalesce(poll_totals.failed_poll_count, 0) as failed_poll_count,
    coalesce(poll_totals.request_count, 0) as request_count
from touched
inner join repositories on touched.repository_id = repositories.repository_id
left join attempt_totals
    on
        touched.repository_id = attempt_totals.repository_id
        and touched.day = attempt_totals.day
left join poll_totals
    on touched.repository_id = poll_totals.repository_id and touched.day = poll_totals.day
{% if not is_incremental() -%}
where attempt_totals.attempt_count > 0 or poll_totals.poll_count > 0
{%- endif %}
