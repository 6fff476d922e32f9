{#-
The state of a branch at a time is that of the greatest attempt, by its run's creation, that has ended by
then: an attempt is ever the state if none that is greater ended before it or with it. Those that are
have ended in the order in which their runs were created.

A change touches no state before the end of the attempt that changed: intervals that ended before stay.
Told again is what follows, from the beginning of the interval into which the change falls.
-#}
with all_attempts as not materialized (
    select * from {{ ref('workflow_run_attempts') }}
),

touched as (
    select
        repository_id,
        workflow_id,
        health_group,
        since
    from {{ touched() }}
),

told as (
    select
        touched.repository_id,
        touched.workflow_id,
        touched.health_group,
        case
            when interval_before.ended_at < touched.since then touched.since
            else least(interval_before.started_at, touched.since)
        end as told_since
    from touched
    left join lateral (
        select
            stored.started_at,
            stored.ended_at
        from {{ stored() }} as stored
        where
            stored.repository_id = touched.repository_id
            and stored.workflow_id = touched.workflow_id
            and stored.health_group = touched.health_group
            and stored.started_at < touched.since
        order by stored.started_at desc
        limit 1
    ) as interval_before on true
),

-- What the state was then: green, if it was known.
begun as (
    select
        told.*,
        state_before.run_created_at as created_before,
        state_before.run_id as run_before,
        state_before.run_attempt as attempt_before
    from told
    left join lateral (
        select
            attempts.run_created_at,
            attempts.run_id,
            attempts.run_attempt
        from all_attempts as attempts
        where
            attempts.repository_id = told.repository_id
            and attempts.workflow_id = told.workflow_id
            and attempts.health_group = told.health_group
            and attempts.is_decisive
            and attempts.health_group is not null
            and attempts.run_created_at is not null
            and attempts.ended_at < told.told_since
            and told.told_since > '-infinity'
        order by attempts.run_created_at desc, attempts.run_id desc, attempts.run_attempt desc
        limit 1
    ) as state_before on true
),

attempts as (
    select
        begun.repository_id,
        begun.workflow_id,
        begun.health_group,
        begun.created_before,
        begun.run_before,
        begun.attempt_before,
        attempts.run_created_at,
        attempts.run_id,
        attempts.run_attempt,
        attempts.head_sha,
        attempts.ended_at,
        attempts.conclusion != 'success' as is_red,
        min(attempts.ended_at) over greater as first_end_of_greater
    from begun
    -- Of its own, and between two bounds: so PostgreSQL expects few rows, and reads them by index.
    inner join lateral (
        select
            health.run_created_at,
            health.run_id,
            health.run_attempt,
            health.head_sha,
            health.ended_at,
            health.conclusion
        from all_attempts as health
        where
            health.repository_id = begun.repository_id
            and health.workflow_id = begun.workflow_id
            and health.health_group = begun.health_group
            and health.is_decisive
            and health.health_group is not null
            and health.run_created_at is not null
            and health.ended_at between begun.told_since and 'infinity'
        order by health.ended_at
        offset 0
    ) as attempts on true
    window greater as (
        partition by begun.repository_id, begun.workflow_id, begun.health_group
        order by attempts.run_created_at desc, attempts.run_id desc, attempts.run_attempt desc
        rows between unbounded preceding and 1 preceding
    )
),

states as (
    select
        *,
        coalesce(
            lead(is_red) over (
                partition by repository_id, workflow_id, health_group
                order by run_created_at desc, run_id desc, run_attempt desc
            ),
            case when run_before is not null then false end
        ) as was_red
    from attempts
    where
        (first_end_of_greater is null or first_end_of_greater > ended_at)
        and (
            run_before is null
            or (run_created_at, run_id, run_attempt) > (created_before, run_before, attempt_before)
        )
),

-- Changes of the state, and between them whatever failed, state or not.
moments as (
    select
        repository_id,
        workflow_id,
        health_group,
        run_id,
        run_attempt,
        head_sha,
        ended_at,
        is_red,
        was_red,
        true as is_change
    from states
    where is_red is distinct from was_red
    union all
    select
        repository_id,
        workflow_id,
        health_group,
        run_id,
        run_attempt,
        head_sha,
        ended_at,
        is_red,
        null as was_red,
        false as is_change
    from attempts
    where is_red
),

counted as (
    select
        *,
        count(*) filter (where not is_change) over (
            partition by repository_id, workflow_id, health_group
            order by ended_at
            groups between unbounded preceding and 1 preceding
        ) as failed_before,
        count(*) filter (where not is_change) over (
            partition by repository_id, workflow_id, health_group
        ) as failed_in_all
    from moments
),

changes as (
    select
        *,
        lead(run_id) over following as next_run_id,
        lead(run_attempt) over following as next_run_attempt,
        lead(head_sha) over following as next_head_sha,
        lead(ended_at) over following as next_ended_at,
        lead(failed_before) over following as failed_before_next
    from counted
    where is_change
    window following as (partition by repository_id, workflow_id, health_group order by ended_at)
)

select
    repository_id,
    workflow_id,
    health_group,
    run_id as first_failed_run_id,
    run_attempt as first_failed_run_attempt,
    head_sha as first_failed_sha,
    ended_at as started_at,
    next_ended_at as ended_at,
    next_run_id as recovered_run_id,
    next_run_attempt as recovered_run_attempt,
    next_head_sha as recovered_sha,
    {{ seconds_between('ended_at', 'next_ended_at') }} as duration_seconds,
    (coalesce(failed_before_next, failed_in_all) - failed_before)::bigint as failed_attempt_count,
    was_red is not null as is_start_known
from changes
where is_red
