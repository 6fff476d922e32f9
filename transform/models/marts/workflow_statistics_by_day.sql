with workflows as (
    select repository_id, workflow_id from {{ ref('workflows') }}
),

all_attempts as not materialized (
    select * from {{ ref('workflow_run_attempts') }}
),

all_runs as not materialized (
    select * from {{ ref('workflow_runs') }}
),

all_jobs as (
    select * from {{ ref('jobs') }}
),

touched as (
    select
        repository_id,
        workflow_id,
        day
    from {{ touched() }}
),

runs as (
    select all_runs.*
    from touched
    inner join all_runs
        on
            touched.repository_id = all_runs.repository_id
            and touched.workflow_id = all_runs.workflow_id
            and all_runs.created_at >= touched.day::timestamp at time zone 'UTC'
            and all_runs.created_at < (touched.day + 1)::timestamp at time zone 'UTC'
),

run_totals as (
    select
        repository_id,
        workflow_id,
        day,
        count(*) as run_count,
        count(*) filter (where is_completed) as completed_count,
        {%- for conclusion in run_conclusions() %}
        count(*) filter (where is_completed and conclusion = '{{ conclusion }}')
            as {{ conclusion }}_count,
        {%- endfor %}
        count(*) filter (
            where is_completed
            and (
                conclusion in (
                    {%- for conclusion in run_conclusions() %}
                    '{{ conclusion }}'{{ ',' if not loop.last }}
                    {%- endfor %}
                )
            ) is not true
        ) as other_conclusion_count,
        count(*) filter (where is_decisive) as decisive_count,
        count(*) filter (where first_attempt_conclusion = 'success') as first_attempt_success_count,
        count(*) filter (where {{ is_decisive('first_attempt_conclusion') }})
            as first_attempt_decisive_count,
        count(*) filter (where run_attempt > 1) as rerun_count,
        sum(run_attempt - 1)::bigint as extra_attempt_count,
        count(*) filter (where is_flaky) as flaky_run_count
    from runs
    group by repository_id, workflow_id, day
),

commits as (
    select
        runs.repository_id,
        runs.workflow_id,
        runs.day,
        attempts.head_sha,
        bool_or(attempts.conclusion = 'success') as has_success,
        bool_or(attempts.conclusion in ('failure', 'timed_out')) as has_failure,
        bool_or(attempts.conclusion = 'success' and attempts.run_attempt = runs.run_attempt)
            as has_latest_success,
        bool_or(
            attempts.conclusion in ('failure', 'timed_out')
            and attempts.run_attempt = runs.run_attempt
        ) as has_latest_failure
    from runs
    inner join all_attempts as attempts on runs.run_id = attempts.run_id
    where attempts.head_sha is not null and attempts.is_completed
    group by runs.repository_id, runs.workflow_id, runs.day, attempts.head_sha
),

commit_totals as (
    select
        repository_id,
        workflow_id,
        day,
        count(*) filter (where has_success and has_failure) as flaky_commit_count,
        count(*) filter (where has_latest_success and has_latest_failure)
            as flaky_commit_latest_count
    from commits
    group by repository_id, workflow_id, day
),

job_totals as (
    select
        runs.repository_id,
        runs.workflow_id,
        runs.day,
        count(*) as jobs_listed,
        count(*) filter (where jobs.is_executed) as jobs_executed,
        count(*) filter (where jobs.is_carried_over) as jobs_carried_over,
        count(*) filter (where jobs.is_impossible_queue) as impossible_queue_count,
        count(*) filter (where jobs.is_impossible_duration) as impossible_duration_count,
        sum(jobs.billable_minutes)::bigint as billable_minutes,
        sum(jobs.self_hosted_minutes)::bigint as self_hosted_minutes,
        sum(jobs.unknown_minutes)::bigint as unknown_minutes,
        {%- for cause in waste_causes() %}
        sum(jobs.wasted_minutes) filter (where jobs.waste_cause = '{{ cause }}')::bigint
            as {{ cause }}_wasted_minutes,
        {%- endfor %}
        sum(jobs.wasted_minutes)::bigint as wasted_minutes,
        sum(jobs.estimated_cost_usd)::numeric(18, 6) as estimated_cost_usd,
        sum(jobs.list_price_usd)::numeric(18, 6) as list_price_usd,
        count(*) filter (
            where jobs.billable_minutes is not null and jobs.estimated_cost_usd is null
        ) as unpriced_job_count
    from runs
    inner join all_jobs as jobs on runs.run_id = jobs.run_id
    group by runs.repository_id, runs.workflow_id, runs.day
)

select
    touched.repository_id,
    touched.workflow_id,
    touched.day,
    run_totals.run_count,
    run_totals.completed_count,
    {%- for conclusion in run_conclusions() %}
    coalesce(run_totals.{{ conclusion }}_count, 0) as {{ conclusion }}_count,
    {%- endfor %}
    run_totals.other_conclusion_count,
    run_totals.decisive_count,
    {{ rate('run_totals.success_count', 'run_totals.decisive_count') }} as success_rate,
    run_totals.first_attempt_success_count,
    run_totals.first_attempt_decisive_count,
    {{ rate('run_totals.first_attempt_success_count', 'run_totals.first_attempt_decisive_count') }}
        as first_attempt_success_rate,
    {{ rate('run_totals.success_count', 'run_totals.completed_count') }} as success_rate_completed,
    run_totals.rerun_count,
    run_totals.extra_attempt_count,
    {{ rate('run_totals.rerun_count', 'run_totals.run_count') }} as rerun_rate,
    run_totals.flaky_run_count,
    coalesce(commit_totals.flaky_commit_count, 0) as flaky_commit_count,
    coalesce(commit_totals.flaky_commit_latest_count, 0) as flaky_commit_latest_count,
    coalesce(job_totals.jobs_listed, 0) as jobs_listed,
    coalesce(job_totals.jobs_executed, 0) as jobs_executed,
    coalesce(job_totals.jobs_carried_over, 0) as jobs_carried_over,
    coalesce(job_totals.impossible_queue_count, 0) as impossible_queue_count,
    coalesce(job_totals.impossible_duration_count, 0) as impossible_duration_count,
    job_totals.billable_minutes,
    job_totals.self_hosted_minutes,
    job_totals.unknown_minutes,
    job_totals.wasted_minutes,
    {%- for cause in waste_causes() %}
    case
        when job_totals.wasted_minutes is not null
            then coalesce(job_totals.{{ cause }}_wasted_minutes, 0)
    end as {{ cause }}_wasted_minutes,
    {%- endfor %}
    job_totals.estimated_cost_usd,
    job_totals.list_price_usd,
    (job_totals.estimated_cost_usd / nullif(run_totals.success_count, 0))::numeric(18, 6)
        as cost_per_success_usd,
    coalesce(job_totals.unpriced_job_count, 0) as unpriced_job_count,
    coalesce(job_totals.unpriced_job_count > 0, false) as is_lower_bound
from touched
inner join workflows
    on
        touched.repository_id = workflows.repository_id
        and touched.workflow_id = workflows.workflow_id
inner join run_totals
    on
        touched.repository_id = run_totals.repository_id
        and touched.workflow_id = run_totals.workflow_id
        and touched.day = run_totals.day
left join commit_totals
    on
        touched.repository_id = commit_totals.repository_id
        and touched.workflow_id = commit_totals.workflow_id
        and touched.day = commit_totals.day
left join job_totals
    on
        touched.repository_id = job_totals.repository_id
        and touched.workflow_id = job_totals.workflow_id
        and touched.day = job_totals.day
