with all_attempts as not materialized (
    select * from {{ ref('workflow_run_attempts') }}
),

all_jobs as not materialized (
    select * from {{ ref('jobs') }}
),

all_occurrences as not materialized (
    select * from {{ ref('flaky_job_occurrences') }}
),

touched as (
    select
        repository_id,
        workflow_id,
        day
    from {{ touched() }}
),

found as (
    select
        jobs.*,
        attempts.run_id is not null as is_of_completed_attempt,
        attempts.ended_at as attempt_ended_at,
        attempts.duration_seconds as attempt_duration_seconds,
        occurrences.run_id is not null as is_occurrence,
        occurrences.lost_seconds,
        occurrences.flaky_wasted_minutes,
        occurrences.flaky_cost_usd
    from touched
    inner join all_jobs as jobs
        on
            touched.repository_id = jobs.repository_id
            and touched.workflow_id = jobs.workflow_id
            and jobs.run_created_at >= touched.day::timestamp at time zone 'UTC'
            and jobs.run_created_at < (touched.day + 1)::timestamp at time zone 'UTC'
    left join all_attempts as attempts
        on
            jobs.repository_id = attempts.repository_id
            and jobs.run_id = attempts.run_id
            and jobs.run_attempt = attempts.run_attempt
            and attempts.is_completed
            and jobs.is_executed
    left join all_occurrences as occurrences
        on
            jobs.repository_id = occurrences.repository_id
            and jobs.run_id = occurrences.run_id
            and jobs.job_name_key = occurrences.job_name_key
            and jobs.job_id = occurrences.failed_job_id
),

-- An end that is impossible is none; one after the attempt's end was not counted in it either.
with_ends as (
    select
        *,
        count(*) filter (where is_executed) over (
            partition by repository_id, run_id, run_attempt, job_name_key
        ) > 1 as has_namesake,
        case
            when
                completed_at <= attempt_ended_at
                and not (is_impossible_duration and completed_at < '2018-01-01 00:00+00')
                then completed_at
        end as possible_end
    from found
),

with_places as (
    select
        *,
        coalesce(possible_end = attempt_ended_at, false) as is_last,
        row_number() over latest_first as place_from_last,
        lead(possible_end) over latest_first as end_before
    from with_ends
    window
        latest_first as (
            partition by repository_id, run_id, run_attempt
            order by possible_end desc nulls last, job_id asc
        )
),

edges as (
    select
        found.repository_id,
        found.run_id,
        found.run_attempt,
        found.job_id,
        edge.happened_at,
        edge.change
    from found
    cross join
        lateral (
            values (found.started_at, 1), (found.completed_at, -1)
        ) as edge (happened_at, change)
    where found.is_of_completed_attempt and found.duration_seconds is not null
),

-- Where one job runs, the sum of the running jobs' ids is its id.
stretches as (
    select
        repository_id,
        sum(change) over attempt as running_count,
        sum(change * job_id) over attempt as running_job_id,
        lead(happened_at) over attempt - happened_at as length
    from edges
    window attempt as (partition by repository_id, run_id, run_attempt order by happened_at)
),

alone as (
    select
        repository_id,
        running_job_id::bigint as job_id,
        floor(extract(epoch from sum(length)))::bigint as exclusive_seconds
    from stretches
    where running_count = 1
    group by repository_id, running_job_id
),

-- Each of `alone` is a job. A full join is no loop in a loop, however few rows PostgreSQL expects.
jobs as (
    select
        with_places.*,
        case
            when
                with_places.is_of_completed_attempt and with_places.duration_seconds is not null
                then coalesce(alone.exclusive_seconds, 0)
        end as exclusive_seconds,
        case
            when with_places.attempt_ended_at is null then null
            when not with_places.is_last or with_places.place_from_last > 1 then 0
            when with_places.end_before is null then with_places.attempt_duration_seconds
            else {{ seconds_between('with_places.end_before', 'with_places.attempt_ended_at') }}
        end as saved_if_gone_seconds
    from with_places
    full join alone
        on with_places.repository_id = alone.repository_id and with_places.job_id = alone.job_id
)

select
    repository_id,
    workflow_id,
    day,
    job_name_key,
    min(name) as job_name,
    count(distinct run_id) filter (where is_executed) as executed_run_count,
    {{ conclusion_counts("is_executed and status = 'completed'") }},
    count(distinct run_id) filter (where has_namesake) as ambiguous_run_count,
    count(*) filter (where is_occurrence) as occurrence_count,
    sum(lost_seconds)::bigint as lost_seconds,
    sum(flaky_wasted_minutes)::bigint as flaky_wasted_minutes,
    sum(flaky_cost_usd)::numeric(18, 6) as flaky_cost_usd,
    count(*) filter (where is_last) as finished_last_count,
    sum(exclusive_seconds)::bigint as exclusive_seconds,
    sum(saved_if_gone_seconds)::bigint as saved_if_gone_seconds,
    {{ job_totals() }}
from jobs
group by repository_id, workflow_id, day, job_name_key
