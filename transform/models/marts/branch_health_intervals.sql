{#-
The state of a branch at a time is that of the greatest attempt, by its run's creation, that has ended by
then: an attempt is ever the state if none that is greater ended before it or with it. Those that are
have ended in the order in which their runs were created, so that all is told by walking an index.
-#}
with all_attempts as not materialized (
    select * from {{ ref('workflow_run_attempts') }}
),

touched as (
    select
        repository_id,
        workflow_id,
        health_group
    from {{ touched() }}
),

attempts as (
    select
        touched.repository_id,
        touched.workflow_id,
        touched.health_group,
        attempts.run_created_at,
        attempts.run_id,
        attempts.run_attempt,
        attempts.head_sha,
        attempts.ended_at,
        attempts.conclusion != 'success' as is_red,
        min(attempts.ended_at) over greater as first_end_of_greater
    from touched
    inner join all_attempts as attempts
        on
            touched.repository_id = attempts.repository_id
            and touched.workflow_id = attempts.workflow_id
            and touched.health_group = attempts.health_group
    where
        attempts.is_decisive
        and attempts.health_group is not null
        and attempts.run_created_at is not null
        and attempts.ended_at is not null
    window greater as (
        partition by touched.repository_id, touched.workflow_id, touched.health_group
        order by attempts.run_created_at desc, attempts.run_id desc, attempts.run_attempt desc
        rows between unbounded preceding and 1 preceding
    )
),

states as (
    select
        *,
        lead(is_red) over (
            partition by repository_id, workflow_id, health_group
            order by run_created_at desc, run_id desc, run_attempt desc
        ) as was_red
    from attempts
    where first_end_of_greater is null or first_end_of_greater > ended_at
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
