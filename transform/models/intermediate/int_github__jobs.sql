{#- The newest state of every job of a run, and what its readings are worth. -#}
with touched as (
    select run_id from {{ touched() }}
),

attempts as (
    select attempts.run_id, attempts.run_attempt, attempts.run_started_at
    from {{ ref('int_github__workflow_run_attempts') }} as attempts
    inner join touched on attempts.run_id = touched.run_id
),

runner_labels as (
    select position, label_pattern, runner_class from {{ ref('stg_github__runner_labels') }}
),

standard_classes as (
    select distinct runner_class from {{ ref('stg_github__runner_prices') }} where is_standard
),

observations as not materialized (
    select jobs.*
    from {{ ref('stg_github__workflow_jobs') }} as jobs
    inner join touched on jobs.run_id = touched.run_id
),

seen_by_webhook as materialized (
    select distinct job_id
    from observations
    where delivery_id is not null
),

-- Polling keeps one row of each job: alone there is nothing to decide.
polled_alone as (
    select polled.*
    from observations as polled
    where
        polled.delivery_id is null
        and not exists (
            select from seen_by_webhook as seen where polled.job_id = seen.job_id
        )
),

placed as (
    select
        observations.*,
        max(observations.status_rank) over (partition by observations.job_id) as highest_rank,
        row_number() over (
            partition by observations.job_id
            order by
                observations.status_rank desc,
                observations.completed_at desc nulls last,
                observations.content_hash desc
        ) as place
    from observations
    inner join seen_by_webhook as seen on observations.job_id = seen.job_id
),

newest as (
    select
        job_id,
        {{ newest_known('run_id') }} as run_id,
        {{ newest_known('repository_id') }} as repository_id,
        -- Old shapes do not number the attempt.
        coalesce({{ newest_known('run_attempt') }}, 1) as run_attempt,
        {{ newest_known('name') }} as name,
        {{ newest('status') }} as status,
        {{ newest('conclusion') }} as conclusion,
        {{ newest_known('created_at') }} as created_at,
        -- Before a job begins this is its creation: no start of one that has begun.
        {{ newest_known(
            'case when status_rank >= 4 or highest_rank < 4 then started_at end'
        ) }} as started_at,
        {{ newest('completed_at') }} as completed_at,
        {{ newest_known('head_branch') }} as head_branch,
        {{ newest_known_array('labels') }} as labels,
        {{ newest_known('runner_id') }} as runner_id,
        {{ newest_known('runner_name') }} as runner_name,
        {{ newest_known('runner_group_name') }} as runner_group_name,
        {{ newest_known('html_url') }} as html_url,
        bool_or(coalesce(status = 'waiting', false)) as was_gated,
        {{ how_seen() }}
    from placed
    group by job_id
    union all
    select
        job_id,
        run_id,
        repository_id,
        run_attempt,
        name,
        status,
        conclusion,
        created_at,
        started_at,
        completed_at,
        head_branch,
        labels,
        runner_id,
        runner_name,
        runner_group_name,
        html_url,
        coalesce(status = 'waiting', false) as was_gated,
        {{ seen_by_poll_alone() }}
    from polled_alone
),

with_runner as (
    select
        newest.*,
        coalesce(
            newest.run_attempt > 1 and newest.started_at < attempts.run_started_at, false
        ) as started_before_attempt,
        coalesce(newest.runner_id != 0 or newest.runner_name is not null, false)
        and coalesce(newest.status in ('in_progress', 'completed'), false) as had_runner
    from newest
    left join attempts
        on newest.run_id = attempts.run_id and newest.run_attempt = attempts.run_attempt
),

-- The first attempt in which a (name, started_at, completed_at) executed: whatever repeats it in a
-- later attempt is a copy. An executed job is never itself such a copy, so the first is enough.
with_first_execution as (
    select
        *,
        min(run_attempt) filter (where had_runner and not started_before_attempt) over (
            partition by run_id, name, started_at, completed_at
        ) as first_executed_attempt
    from with_runner
),

carried_over as (
    select
        *,
        started_before_attempt
        or coalesce(started_at is not null and run_attempt > first_executed_attempt, false)
            as is_carried_over
    from with_first_execution
),

label_sets as (
    select distinct labels from newest where labels is not null
),

label_set_classes as (
    select distinct on (label_sets.labels)
        label_sets.labels,
        runner_labels.runner_class
    from label_sets
    cross join unnest(label_sets.labels) as label
    inner join runner_labels on lower(label) ~ runner_labels.label_pattern
    order by label_sets.labels, runner_labels.position
),

executed as (
    select
        carried_over.*,
        -- One's own runner may have the label of a standard one: its group and its name tell.
        case
            when
                standard_classes.runner_class is not null
                and carried_over.runner_group_name != 'GitHub Actions'
                and coalesce(carried_over.runner_name, '') !~ '^(GitHub Actions |Hosted Agent)'
                then 'self_hosted'
            else coalesce(label_set_classes.runner_class, 'unknown')
        end as runner_class,
        carried_over.had_runner and not carried_over.is_carried_over as is_executed,
        carried_over.had_runner
        and not carried_over.is_carried_over
        and carried_over.status = 'completed' as is_executed_and_completed
    from carried_over
    left join label_set_classes on carried_over.labels = label_set_classes.labels
    left join standard_classes on label_set_classes.runner_class = standard_classes.runner_class
),

measured as (
    select
        *,
        coalesce(is_executed and started_at < created_at, false) as is_impossible_queue,
        coalesce(is_executed_and_completed and completed_at < started_at, false)
            as is_impossible_duration,
        case when is_executed then {{ seconds_between('created_at', 'started_at') }} end
            as queue_seconds,
        case
            when is_executed_and_completed
                then {{ seconds_between('started_at', 'completed_at') }}
        end as duration_seconds,
        -- From the exact times: 60.5 seconds are two minutes.
        case
            when is_executed_and_completed
                then greatest(
                    coalesce(ceil(extract(epoch from completed_at - started_at) / 60), 0), 0
                )::bigint
        end as minutes
    from executed
)

select
    job_id,
    run_id,
    repository_id,
    run_attempt,
    name,
    status,
    conclusion,
    created_at,
    started_at,
    completed_at,
    head_branch,
    labels,
    runner_class,
    runner_id,
    runner_name,
    runner_group_name,
    html_url,
    is_executed,
    is_carried_over,
    was_gated,
    was_seen_by_webhook,
    was_seen_by_poll,
    was_corrected,
    queue_seconds,
    is_impossible_queue,
    duration_seconds,
    is_impossible_duration,
    -- Of an unknown class nobody knows whether GitHub bills it.
    case when runner_class in ('self_hosted', 'unknown') then minutes * 0 else minutes end
        as billable_minutes,
    case when runner_class = 'self_hosted' then minutes else minutes * 0 end as self_hosted_minutes
from measured
