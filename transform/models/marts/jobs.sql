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

runner_prices as (
    select * from {{ ref('stg_github__runner_prices') }}
),

runs as (
    select all_runs.*
    from all_runs
    inner join touched on all_runs.run_id = touched.run_id
),

-- While its newest attempt went on, a newer run of the same kind was created.
superseded_runs as (
    select
        cancelled.repository_id,
        cancelled.run_id
    from runs as cancelled
    where
        cancelled.is_completed
        and cancelled.conclusion = 'cancelled'
        and exists (
            select
            from all_runs as newer
            where
                newer.repository_id = cancelled.repository_id
                and newer.workflow_id = cancelled.workflow_id
                and newer.head_repository_id = cancelled.head_repository_id
                and newer.head_branch = cancelled.head_branch
                and newer.event = cancelled.event
                and newer.created_at > cancelled.run_started_at
                and newer.created_at < cancelled.ended_at
                and (newer.created_at, newer.run_id) > (cancelled.created_at, cancelled.run_id)
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
        runs.workflow_id,
        runs.day,
        runs.created_at as run_created_at,
        case
            when not jobs.is_executed then null
            when
                jobs.status = 'completed'
                and jobs.conclusion in ('failure', 'timed_out', 'cancelled')
                and jobs.run_attempt < runs.run_attempt
                then 'rerun'
            when superseded_runs.run_id is not null and jobs.run_attempt = runs.run_attempt
                then 'superseded'
            when jobs.status = 'completed' and jobs.conclusion in ('timed_out', 'cancelled')
                then jobs.conclusion
        end as waste_cause,
        coalesce(jobs.started_at, jobs.created_at, runs.created_at) as began_at
    from jobs
    inner join runs on jobs.repository_id = runs.repository_id and jobs.run_id = runs.run_id
    left join superseded_runs
        on
            jobs.repository_id = superseded_runs.repository_id
            and jobs.run_id = superseded_runs.run_id
),

dated as (
    select
        *,
        (began_at at time zone 'UTC')::date as priced_on,
        billable_minutes + self_hosted_minutes + unknown_minutes as minutes
    from judged
),

priced as (
    select
        dated.*,
        dated.minutes * prices.usd_per_minute as list_price_usd,
        case
            when not prices.is_standard then 1
            when period.visibility = 'public' then 0
            when period.visibility is not null then 1
        end as charged_share
    from dated
    left join prices
        on
            dated.runner_class = prices.runner_class
            and dated.priced_on >= prices.valid_from
            and dated.priced_on < coalesce(prices.valid_until, 'infinity')
    left join
        lateral
        {{ period_at(ref('repository_history'), 'dated.repository_id', 'dated.began_at') }}
            as period
        on true
)

select
    job_id,
    run_id,
    run_attempt,
    repository_id,
    workflow_id,
    day,
    run_created_at,
    name,
    md5(coalesce(name, ''))::uuid as job_name_key,
    labels,
    md5(
        array(
            select distinct lower(label) as label
            from unnest(labels) as label
            order by label
        )::text
    )::uuid as labels_key,
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
    unknown_minutes,
    waste_cause,
    case
        when waste_cause is not null then billable_minutes + self_hosted_minutes
        when minutes is not null then 0
    end as wasted_minutes,
    (list_price_usd * charged_share)::numeric(18, 6) as estimated_cost_usd,
    list_price_usd::numeric(18, 6) as list_price_usd,
    case when is_executed then priced_on end as cost_day,
    failed_step_number,
    failed_step_name,
    steps_left_out,
    head_branch,
    html_url
from priced
