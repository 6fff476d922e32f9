{#- Totals of a day are subqueries that read it by index, however many days are touched. -#}
with all_attempts as not materialized (
    select * from {{ ref('workflow_run_attempts') }}
),

all_runs as not materialized (
    select * from {{ ref('workflow_runs') }}
),

all_jobs as not materialized (
    select * from {{ ref('jobs') }}
),

touched as (
    select
        repository_id,
        workflow_id,
        day,
        day::timestamp at time zone 'UTC' as begins_at,
        (day + 1)::timestamp at time zone 'UTC' as ends_at
    from {{ touched() }}
)

select
    touched.repository_id,
    touched.workflow_id,
    touched.day,
    run_totals.*,  -- noqa: AM04
    {{ rate('run_totals.success_count', 'run_totals.decisive_count') }} as success_rate,
    {{ rate('run_totals.first_attempt_success_count', 'run_totals.first_attempt_decisive_count') }}
        as first_attempt_success_rate,
    {{ rate('run_totals.success_count', 'run_totals.completed_count') }} as success_rate_completed,
    {{ rate('run_totals.rerun_count', 'run_totals.run_count') }} as rerun_rate,
    commit_totals.*,
    job_totals.*,
    (job_totals.estimated_cost_usd / nullif(run_totals.success_count, 0))::numeric(18, 6)
        as cost_per_success_usd
from touched
cross join
    lateral (  -- noqa: ST05
        with runs as (
            select all_runs.*
            from all_runs
            where
                touched.repository_id = all_runs.repository_id
                and touched.workflow_id = all_runs.workflow_id
                and all_runs.created_at >= touched.begins_at
                and all_runs.created_at < touched.ends_at
        )

        select
            count(*) as run_count,
            {{ conclusion_counts("is_completed") }},
            count(*) filter (where is_decisive) as decisive_count,
            count(*) filter (where first_attempt_conclusion = 'success')
                as first_attempt_success_count,
            count(*) filter (where {{ is_decisive('first_attempt_conclusion') }})
                as first_attempt_decisive_count,
            count(*) filter (where run_attempt > 1) as rerun_count,
            sum(run_attempt - 1)::bigint as extra_attempt_count,
            count(*) filter (where is_flaky) as flaky_run_count
        from runs
        having count(*) > 0
    ) as run_totals
cross join
    lateral (  -- noqa: ST05
        with attempts as (
            select
                all_attempts.head_sha,
                all_attempts.conclusion = 'success' as has_passed,
                all_attempts.conclusion in ('failure', 'timed_out') as has_failed,
                all_attempts.run_attempt = all_runs.run_attempt as is_newest
            from all_runs
            inner join all_attempts
                on
                    all_runs.repository_id = all_attempts.repository_id
                    and all_runs.run_id = all_attempts.run_id
            where
                touched.repository_id = all_runs.repository_id
                and touched.workflow_id = all_runs.workflow_id
                and all_runs.created_at >= touched.begins_at
                and all_runs.created_at < touched.ends_at
                and all_attempts.head_sha is not null
                and all_attempts.is_completed
        ),

        commits as (
            select
                bool_or(has_passed) and bool_or(has_failed) as is_flaky,
                bool_or(has_passed and is_newest) and bool_or(has_failed and is_newest)
                    as is_flaky_by_newest
            from attempts
            group by head_sha
        )

        select
            count(*) filter (where is_flaky) as flaky_commit_count,
            count(*) filter (where is_flaky_by_newest) as flaky_commit_latest_count
        from commits
    ) as commit_totals
cross join
    lateral (  -- noqa: ST05
        with jobs as (
            select all_jobs.*
            from all_jobs
            where
                touched.repository_id = all_jobs.repository_id
                and touched.workflow_id = all_jobs.workflow_id
                and all_jobs.run_created_at >= touched.begins_at
                and all_jobs.run_created_at < touched.ends_at
        )

        select {{ job_totals() }}
        from jobs
    ) as job_totals
