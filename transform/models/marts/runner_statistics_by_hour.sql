{#-
Which jobs waited or ran in an hour is found by when they were created. Nearly all have ended five hours
after their creation: in blocks of six hours, those of a block were created in it or in the one before.
The few others have an index of their own, by their end.
-#}
{%- set is_brief = 'jobs.queue_seconds + jobs.duration_seconds <= 18000' -%}
with all_jobs as not materialized (
    select * from {{ ref('jobs') }}
    where not is_carried_over
),

touched as (
    select
        repository_id,
        labels_key,
        hour,
        hour + interval '1 hour' as hour_end,
        {{ six_hours_of('hour') }} as block
    from {{ touched() }}
),

nearby as (
    select distinct
        touched.repository_id,
        touched.labels_key,
        touched.block,
        touched.block - before as created_block
    from touched
    cross join unnest(array[interval '0 hours', interval '6 hours']) as before
),

label_sets as (
    select
        repository_id,
        labels_key,
        min(hour) as first_hour,
        max(hour_end) as last_hour_end
    from touched
    group by repository_id, labels_key
),

brief as (
    select
        nearby.block,
        jobs.*
    from nearby
    inner join all_jobs as jobs
        on
            nearby.repository_id = jobs.repository_id
            and nearby.labels_key = jobs.labels_key
            and nearby.created_block = {{ six_hours_of('jobs.created_at') }}
    where not jobs.is_executed or {{ is_brief }}
),

long_or_odd as (
    select jobs.*
    from label_sets
    inner join all_jobs as jobs
        on
            label_sets.repository_id = jobs.repository_id
            and label_sets.labels_key = jobs.labels_key
            and label_sets.first_hour
            <= greatest(jobs.created_at, jobs.started_at, coalesce(jobs.completed_at, 'infinity'))
            and label_sets.last_hour_end > least(jobs.created_at, jobs.started_at)
    where jobs.is_executed and ({{ is_brief }}) is not true
),

blocks as (
    select
        jobs.repository_id,
        jobs.job_id,
        {{ six_hours_of('jobs.created_at') }} as block
    from long_or_odd as jobs
    union
    select
        jobs.repository_id,
        jobs.job_id,
        generate_series({{ six_hours_of('jobs.created_at') }}, jobs.started_at, '6 hours')
    from long_or_odd as jobs
    where jobs.queue_seconds is not null
    union
    select
        jobs.repository_id,
        jobs.job_id,
        generate_series({{ six_hours_of('jobs.started_at') }}, jobs.completed_at, '6 hours')
    from long_or_odd as jobs
    where jobs.duration_seconds is not null
    union
    select
        jobs.repository_id,
        jobs.job_id,
        {{ six_hours_of('jobs.started_at') }}
    from long_or_odd as jobs
    where jobs.completed_at is null
),

jobs as (
    select * from brief
    union all
    select
        blocks.block,
        jobs.*
    from blocks
    inner join long_or_odd as jobs
        on blocks.repository_id = jobs.repository_id and blocks.job_id = jobs.job_id
),

-- What of a job lies in an hour: its creation, and parts of its wait and its run; one of 0 s lies
-- where it begins.
parts as (
    select
        touched.repository_id,
        touched.labels_key,
        touched.hour,
        jobs.labels,
        jobs.is_executed,
        jobs.queue_seconds,
        jobs.is_impossible_queue,
        jobs.started_at,
        coalesce(jobs.created_at >= touched.hour and jobs.created_at < touched.hour_end, false)
            as is_created,
        coalesce(
            jobs.is_executed
            and jobs.completed_at is null
            and jobs.started_at >= touched.hour
            and jobs.started_at < touched.hour_end,
            false
        ) as is_open,
        {%- for part, begins, ends, seconds in [
            ('wait', 'created_at', 'started_at', 'queue_seconds'),
            ('run', 'started_at', 'completed_at', 'duration_seconds'),
        ] %}
        {%- set is_in_hour -%}
        jobs.{{ seconds }} is not null
                and jobs.{{ begins }} < touched.hour_end
                and (jobs.{{ ends }} > touched.hour or jobs.{{ begins }} >= touched.hour)
        {%- endset %}
        case
            when {{ is_in_hour }}
                then greatest(jobs.{{ begins }}, touched.hour)
        end as {{ part }}_begins_at,
        case
            when {{ is_in_hour }}
                then least(jobs.{{ ends }}, touched.hour_end)
        end as {{ part }}_ends_at{{ "," if not loop.last }}
    {%- endfor %}
    from touched
    inner join jobs
        on
            touched.repository_id = jobs.repository_id
            and touched.labels_key = jobs.labels_key
            and touched.block = jobs.block
            and touched.hour_end > least(jobs.created_at, jobs.started_at)
            and touched.hour <= greatest(jobs.created_at, jobs.started_at, jobs.completed_at)
),

-- Seconds are counted from the job's start, so that the parts of a run add up to its duration.
totals as (
    select
        repository_id,
        labels_key,
        hour,
        min(labels) as labels,
        count(*) filter (where is_created) as job_count,
        count(*) filter (where is_created and is_executed) as jobs_executed,
        count(queue_seconds) filter (where is_created) as queue_count,
        sum(queue_seconds) filter (where is_created)::bigint as queue_seconds,
        max(queue_seconds) filter (where is_created) as longest_queue_seconds,
        count(*) filter (where is_created and queue_seconds <= 60) as queue_within_60_count,
        count(*) filter (where is_created and is_impossible_queue) as impossible_queue_count,
        sum(
            floor(extract(epoch from run_ends_at - started_at))
            - floor(extract(epoch from run_begins_at - started_at))
        )::bigint as busy_seconds,
        count(*) filter (where is_open) as open_job_count
    from parts
    where is_created or is_open or wait_begins_at is not null or run_begins_at is not null
    group by repository_id, labels_key, hour
),

moments as (
    select
        parts.repository_id,
        parts.labels_key,
        parts.hour,
        edge.queued_change,
        edge.running_change,
        sum(edge.queued_change) over until_then as queued_jobs,
        sum(edge.running_change) over until_then as running_jobs
    from parts
    cross join
        lateral (
            values
            (parts.wait_begins_at, 1, null),
            (parts.wait_ends_at, -1, null),
            (parts.run_begins_at, null, 1),
            (parts.run_ends_at, null, -1)
        ) as edge (happened_at, queued_change, running_change)
    where edge.happened_at is not null
    -- What happens at one time happens at once: an end and a start are not two jobs.
    window
        until_then as (
            partition by parts.repository_id, parts.labels_key, parts.hour order by edge.happened_at
        )
),

peaks as (
    select
        repository_id,
        labels_key,
        hour,
        max(queued_jobs) filter (where queued_change is not null) as peak_queued,
        max(running_jobs) filter (where running_change is not null) as peak_jobs
    from moments
    group by repository_id, labels_key, hour
)

select
    totals.repository_id,
    totals.labels_key,
    totals.hour,
    array(
        select distinct lower(label) collate "C" as label  -- noqa: RF02
        from unnest(totals.labels) as label
        order by label
    ) as labels,
    totals.job_count,
    totals.jobs_executed,
    totals.queue_count,
    totals.queue_seconds,
    totals.longest_queue_seconds,
    totals.queue_within_60_count,
    totals.impossible_queue_count,
    totals.busy_seconds,
    peaks.peak_jobs,
    peaks.peak_queued,
    totals.open_job_count
from totals
left join peaks
    on
        totals.repository_id = peaks.repository_id
        and totals.labels_key = peaks.labels_key
        and totals.hour = peaks.hour
