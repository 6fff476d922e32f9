with touched as (
    select run_id from {{ touched() }}
),

jobs as (
    select jobs.*
    from {{ ref('int_github__jobs') }} as jobs
    inner join touched on jobs.run_id = touched.run_id
),

all_runs as not materialized (
    select * from {{ ref('workflow_runs') }}
),

repositories as (
    select repository_id, visibility from {{ ref('repositories') }}
),

runner_prices as (
    select * from {{ ref('stg_github__runner_prices') }}
),

runs as (
    select all_runs.*
    from all_runs
    inner join touched on all_runs.run_id = touched.run_id
),

superseded_runs as (
    select cancelled.run_id
    from runs as cancelled
    where
        cancelled.is_completed
        and cancelled.conclusion = 'cancelled'
        and exists (
            select
            from all_runs as newer
            where
                (newer.created_at, newer.run_id) > (cancelled.created_at, cancelled.run_id)
                and {{ supersedes('newer', 'cancelled', 'newer.created_at') }}
        )
),

prices as (
    select
        runner_class,
        is_standard,
        usd_per_minute,
        valid_from,
        lead(valid_from) over (partition by runner_class order by valid_from) as valid_until
    from runner_prices
),

judged as (
    select
        jobs.*,
        runs.repository_id as run_repository_id,
        runs.workflow_id,
        runs.day,
        runs.created_at as run_created_at,
        -- Null until an executed job has completed; one of the two is 0, of an unknown class both.
        jobs.billable_minutes + jobs.self_hosted_minutes as minutes,
        case
            when not jobs.is_executed then null
            when
                jobs.conclusion in ('failure', 'timed_out', 'cancelled')
                and jobs.run_attempt < runs.run_attempt
                then 'rerun'
            when superseded_runs.run_id is not null then 'superseded'
            when jobs.conclusion in ('timed_out', 'cancelled') then jobs.conclusion
        end as waste_cause,
        coalesce(
            (coalesce(jobs.started_at, jobs.created_at) at time zone 'UTC')::date, runs.day
        ) as priced_on
    from jobs
    inner join runs on jobs.run_id = runs.run_id
    left join superseded_runs on jobs.run_id = superseded_runs.run_id
),

priced as (
    select
        judged.*,
        judged.minutes * prices.usd_per_minute as list_price_usd,
        case
            when not prices.is_standard then 1
            when repositories.visibility = 'public' then 0
            when repositories.visibility is not null then 1
        end as charged_share
    from judged
    inner join repositories on judged.run_repository_id = repositories.repository_id
    left join prices
        on
            judged.runner_class = prices.runner_class
            and judged.priced_on >= prices.valid_from
            and judged.priced_on < coalesce(prices.valid_until, 'infinity')
)

select
    job_id,
    run_id,
    run_attempt,
    run_repository_id as repository_id,
    workflow_id,
    day,
    run_created_at,
    name,
    labels,
    runner_class,
    runner_id,
    runner_name,
    runner_group_name,
    status,
    conclusion,
    created_at,
    started_at,
    completed_at,
    is_executed,
    is_carried_over,
    was_gated,
    queue_seconds,
    is_impossible_queue,
    duration_seconds,
    is_impossible_duration,
    billable_minutes,
    self_hosted_minutes,
    waste_cause,
    case when waste_cause is null then minutes * 0 else minutes end as wasted_minutes,
    (list_price_usd * charged_share)::numeric(18, 6) as estimated_cost_usd,
    list_price_usd::numeric(18, 6) as list_price_usd,
    case when is_executed then priced_on end as cost_day,
    head_branch,
    html_url
from priced
