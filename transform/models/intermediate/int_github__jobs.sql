{#- The newest state of every job of a run, and what its readings are worth. -#}
with touched as (
    select run_id from {{ touched() }}
),

attempts as (
    select
        attempts.repository_id,
        attempts.run_id,
        attempts.run_attempt,
        attempts.run_started_at
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
    from touched
    cross join
        lateral
        {{ rows_of(ref('stg_github__workflow_jobs'), {'run_id': 'touched.run_id'}) }}
            as jobs
),

seen_by_webhook as materialized (
    select distinct
        repository_id,
        job_id
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
            select from seen_by_webhook as seen
            where polled.repository_id = seen.repository_id and polled.job_id = seen.job_id
        )
),

placed as (
    select
        observations.*,
        max(observations.status_rank)
            over (partition by observations.repository_id, observations.job_id) as highest_rank,
        coalesce(
            jsonb_array_length(
                jsonb_path_query_array(observations.steps, '$[*] ? (@.status == "completed")')
            ),
            0
        ) as completed_step_count,
        row_number() over (
            partition by observations.repository_id, observations.job_id
            order by
                observations.status_rank desc,
                observations.completed_at desc nulls last,
                observations.content_hash desc
        ) as place
    from observations
    inner join seen_by_webhook as seen
        on
            observations.repository_id = seen.repository_id
            and observations.job_id = seen.job_id
),

newest as (
    select
        job_id,
        {{ newest_known('run_id') }} as run_id,
        repository_id,
        -- Told under two attempts it belongs to the lower; old shapes do not number the attempt.
        coalesce(min(run_attempt), 1) as run_attempt,
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
        {{ newest_known_array('labels', 'text[]') }} as labels,
        {{ newest_known('runner_id') }} as runner_id,
        {{ newest_known('runner_name') }} as runner_name,
        {{ newest_known('runner_group_name') }} as runner_group_name,
        {{ newest_known('html_url') }} as html_url,
        coalesce(bool_or(was_waiting), false) as was_gated,
        -- Of a job that is still open, what tells of most completed steps counts.
        (array_agg(
            steps order by
                case when highest_rank = 5 then place end asc,
                completed_step_count desc,
                content_hash desc
        ))[1] as steps,
        {{ how_seen() }}
    from placed
    group by repository_id, job_id
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
        coalesce(was_waiting, false) as was_gated,
        steps,
        {{ seen_by_poll_alone() }}
    from polled_alone
),

with_runner as (
    select
        newest.*,
        -- A job that is still open is no copy, nor is one that ended in this attempt.
        coalesce(newest.run_attempt > 1 and newest.status = 'completed', false) as may_be_copy,
        coalesce(
            newest.run_attempt > 1
            and newest.status = 'completed'
            and greatest(newest.started_at, newest.completed_at) < attempts.run_started_at
            and newest.started_at is not null
            and newest.completed_at is not null,
            false
        ) as is_before_attempt,
        coalesce(newest.runner_id != 0 or newest.runner_name is not null, false)
        and coalesce(newest.status in ('in_progress', 'completed'), false) as had_runner
    from newest
    left join attempts
        on
            newest.repository_id = attempts.repository_id
            and newest.run_id = attempts.run_id
            and newest.run_attempt = attempts.run_attempt
),

-- The first attempt in which a (name, started_at, completed_at) executed: whatever repeats it in a
-- later attempt is a copy. An executed job is never itself such a copy, so the first is enough.
with_first_execution as (
    select
        *,
        min(run_attempt) filter (where had_runner and not is_before_attempt) over (
            partition by repository_id, run_id, name, started_at, completed_at
        ) as first_executed_attempt
    from with_runner
),

carried_over as (
    select
        *,
        is_before_attempt
        or coalesce(
            may_be_copy and started_at is not null and run_attempt > first_executed_attempt, false
        ) as is_carried_over
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
        is_executed and {{ is_impossible_reading('created_at', 'started_at') }}
            as is_impossible_queue,
        is_executed_and_completed and {{ is_impossible_reading('started_at', 'completed_at') }}
            as is_impossible_duration,
        case when is_executed then {{ reading_between('created_at', 'started_at') }} end
            as queue_seconds,
        case
            when is_executed_and_completed
                then {{ reading_between('started_at', 'completed_at') }}
        end as duration_seconds
    from executed
),

with_minutes as (
    select
        *,
        case
            when is_executed_and_completed then ceil(coalesce(duration_seconds, 0) / 60.0)::bigint
        end as minutes
    from measured
),

-- Of two steps with one number the later one counts.
numbered_steps as (
    select distinct on (
        with_minutes.repository_id, with_minutes.job_id, (element.step ->> 'number')::bigint
    )
        with_minutes.repository_id,
        with_minutes.job_id,
        (element.step ->> 'number')::bigint as step_number,
        nullif(element.step ->> 'name', '') as name,
        element.step ->> 'conclusion' as conclusion
    from with_minutes
    cross join
        lateral jsonb_array_elements(
            case when jsonb_typeof(with_minutes.steps) = 'array' then with_minutes.steps end
        ) with ordinality as element (step, place)
    where with_minutes.is_executed and element.step ->> 'number' is not null
    order by
        with_minutes.repository_id asc,
        with_minutes.job_id asc,
        (element.step ->> 'number')::bigint asc,
        element.place desc
),

told_by_steps as (
    select
        repository_id,
        job_id,
        count(*) as step_count,
        (
            array_agg(step_number order by step_number)
            filter (where conclusion in ('failure', 'timed_out'))
        )[1] as failed_step_number,
        (
            array_agg(name order by step_number)
            filter (where conclusion in ('failure', 'timed_out'))
        )[1] as failed_step_name
    from numbered_steps
    group by repository_id, job_id
)

select
    with_minutes.job_id,
    with_minutes.run_id,
    with_minutes.repository_id,
    with_minutes.run_attempt,
    with_minutes.name,
    with_minutes.status,
    with_minutes.conclusion,
    with_minutes.created_at,
    with_minutes.started_at,
    with_minutes.completed_at,
    with_minutes.head_branch,
    with_minutes.labels,
    with_minutes.runner_class,
    with_minutes.runner_id,
    with_minutes.runner_name,
    with_minutes.runner_group_name,
    with_minutes.html_url,
    with_minutes.is_executed,
    with_minutes.is_carried_over,
    with_minutes.was_gated,
    with_minutes.was_seen_by_webhook,
    with_minutes.was_seen_by_poll,
    with_minutes.was_corrected,
    with_minutes.queue_seconds,
    with_minutes.is_impossible_queue,
    with_minutes.duration_seconds,
    with_minutes.is_impossible_duration,
    {%- for kind, condition in [
        ('billable', "not in ('self_hosted', 'unknown')"),
        ('self_hosted', "= 'self_hosted'"),
        ('unknown', "= 'unknown'"),
    ] %}
    case
        when with_minutes.runner_class {{ condition }} then with_minutes.minutes
        when with_minutes.minutes is not null then 0
    end as {{ kind }}_minutes,
    {%- endfor %}
    told_by_steps.failed_step_number,
    told_by_steps.failed_step_name,
    case
        when with_minutes.is_executed and jsonb_typeof(with_minutes.steps) = 'array'
            then jsonb_array_length(with_minutes.steps) - coalesce(told_by_steps.step_count, 0)
        else 0
    end::bigint as steps_left_out
from with_minutes
left join told_by_steps
    on
        with_minutes.repository_id = told_by_steps.repository_id
        and with_minutes.job_id = told_by_steps.job_id
