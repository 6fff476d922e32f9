with all_jobs as not materialized (
    select * from {{ ref('jobs') }}
),

all_runs as not materialized (
    select * from {{ ref('workflow_runs') }}
),

touched as (
    select run_id from {{ touched() }}
),

executed as (
    select
        jobs.*,
        jobs.status = 'completed' and jobs.conclusion in ('failure', 'timed_out') as has_failed,
        jobs.status = 'completed' and jobs.conclusion = 'success' as has_passed,
        count(*) over (
            partition by jobs.repository_id, jobs.run_id, jobs.job_name_key, jobs.run_attempt
        ) as executions_in_attempt
    from touched
    inner join all_jobs as jobs on touched.run_id = jobs.run_id
    where jobs.is_executed
),

-- A name that executed twice in one attempt cannot be matched in any.
matchable as (
    select
        *,
        max(executions_in_attempt) over name as most_executions,
        min(run_attempt) filter (where has_failed) over name as failed_attempt,
        sum(billable_minutes + self_hosted_minutes) filter (where has_failed) over name
            as flaky_wasted_minutes,
        sum(estimated_cost_usd) filter (where has_failed) over name as flaky_cost_usd,
        count(*) filter (where has_failed and estimated_cost_usd is null) over name
            as unpriced_job_count
    from executed
    window name as (partition by repository_id, run_id, job_name_key)
),

-- What follows the first failure is the first success after it.
matched as (
    select
        *,
        lead(run_attempt) over later as passed_attempt,
        lead(job_id) over later as passed_job_id,
        lead(completed_at) over later as passed_at,
        lead(runner_name) over later as passed_runner_name
    from matchable
    where
        most_executions = 1
        and (run_attempt = failed_attempt or (has_passed and run_attempt > failed_attempt))
    window later as (partition by repository_id, run_id, job_name_key order by run_attempt)
)

select
    failed.run_id,
    failed.job_name_key,
    failed.name as job_name,
    runs.repository_id,
    runs.workflow_id,
    runs.day,
    runs.event,
    runs.head_branch,
    runs.head_sha,
    failed.run_attempt as failed_attempt,
    failed.job_id as failed_job_id,
    failed.conclusion as failed_conclusion,
    failed.completed_at as failed_at,
    failed.failed_step_number,
    failed.failed_step_name,
    failed.runner_name as failed_runner_name,
    failed.passed_attempt,
    failed.passed_job_id,
    failed.passed_at,
    failed.passed_runner_name,
    -- Between attempts lie up to 30 days, so that only an impossible time makes it unknown.
    case
        when failed.completed_at >= '2018-01-01 00:00+00'
            then {{ seconds_between('failed.completed_at', 'failed.passed_at') }}
    end as lost_seconds,
    failed.flaky_wasted_minutes::bigint as flaky_wasted_minutes,
    failed.flaky_cost_usd::numeric(18, 6) as flaky_cost_usd,
    failed.unpriced_job_count > 0 as is_lower_bound
from matched as failed
inner join all_runs as runs
    on failed.repository_id = runs.repository_id and failed.run_id = runs.run_id
where failed.run_attempt = failed.failed_attempt and failed.passed_attempt is not null
