{#-
The state of a branch at a time is that of the greatest attempt, by its run's creation, that has ended by
then: only an attempt that is greater than all that ended before it changes anything.
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
        attempts.run_id,
        attempts.run_attempt,
        attempts.ended_at,
        attempts.conclusion != 'success' as is_red,
        row_number() over (
            partition by touched.repository_id, touched.workflow_id, touched.health_group
            order by attempts.run_created_at, attempts.run_id, attempts.run_attempt
        ) as place
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
),

-- Of those that ended at one time only the greatest is ever the state.
moments as (
    select
        *,
        max(place) over (ended_by) as greatest_place,
        row_number() over (
            partition by repository_id, workflow_id, health_group, ended_at order by place desc
        ) as place_at_once,
        sum(is_red::integer) over (ended_by)
        - sum(is_red::integer) over (
            partition by repository_id, workflow_id, health_group, ended_at
        ) as failed_before,
        sum(is_red::integer) over (partition by repository_id, workflow_id, health_group)
            as failed_in_all
    from attempts
    window ended_by as (
        partition by repository_id, workflow_id, health_group order by ended_at
    )
),

states as (
    select
        *,
        lag(is_red) over (
            partition by repository_id, workflow_id, health_group order by ended_at
        ) as was_red
    from moments
    where place = greatest_place and place_at_once = 1
),

changes as (
    select
        *,
        lead(run_id) over following as next_run_id,
        lead(run_attempt) over following as next_run_attempt,
        lead(ended_at) over following as next_ended_at,
        lead(failed_before) over following as failed_before_next
    from states
    where is_red is distinct from was_red
    window following as (partition by repository_id, workflow_id, health_group order by ended_at)
)

select
    red.repository_id,
    red.workflow_id,
    red.health_group,
    red.run_id as first_failed_run_id,
    red.run_attempt as first_failed_run_attempt,
    failed.head_sha as first_failed_sha,
    red.ended_at as started_at,
    red.next_ended_at as ended_at,
    red.next_run_id as recovered_run_id,
    red.next_run_attempt as recovered_run_attempt,
    recovered.head_sha as recovered_sha,
    {{ seconds_between('red.ended_at', 'red.next_ended_at') }} as duration_seconds,
    (coalesce(red.failed_before_next, red.failed_in_all) - red.failed_before)::bigint
        as failed_attempt_count,
    red.was_red is not null as is_start_known
from changes as red
inner join all_attempts as failed
    on red.run_id = failed.run_id and red.run_attempt = failed.run_attempt
left join all_attempts as recovered
    on red.next_run_id = recovered.run_id and red.next_run_attempt = recovered.run_attempt
where red.is_red
