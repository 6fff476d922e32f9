"""What collection notes of itself: polls, of which each day's numbers stay, and loads.

Neither is asked for once it is built, but for a repository's newest day of polls.
"""

from actionsight.retention.rule import deleted, in_database

POLLS = in_database(
    "polls",
    "retention_poll_days",
    # Whole days, since only those add up; not the repository's newest.
    old="""
        from raw.polls as old
        where started_at
            < date_trunc('day', %(before)s::timestamptz at time zone 'UTC') at time zone 'UTC'
            and exists (
                select from raw.polls as later
                where later.repository_id = old.repository_id
                    and later.started_at >= (
                        (old.started_at at time zone 'UTC')::date + 1
                    )::timestamp at time zone 'UTC'
            )
    """,
    # By repository its oldest day, which the index finds.
    remove="""
        with days as materialized (
            select repositories.repository_id, oldest.day
            from app.repositories
            cross join lateral (
                select (started_at at time zone 'UTC')::date as day
                from raw.polls
                where polls.repository_id = repositories.repository_id
                order by started_at
                limit 1
            ) as oldest
            where oldest.day < (%(before)s::timestamptz at time zone 'UTC')::date
                and exists (
                    select from raw.polls
                    where polls.repository_id = repositories.repository_id
                        and polls.started_at
                            >= (oldest.day + 1)::timestamp at time zone 'UTC'
                )
            limit %(batch)s / 100
        ),

        gone as (
            delete from raw.polls using days
            where polls.repository_id = days.repository_id
                and polls.started_at >= days.day::timestamp at time zone 'UTC'
                and polls.started_at < (days.day + 1)::timestamp at time zone 'UTC'
            returning polls.repository_id, days.day, poll_id, request_count, error
        ),

        kept as (
            insert into raw.polls_by_day as known (
                repository_id, day, poll_count, failed_poll_count, request_count
            )
            select
                repository_id,
                day,
                count(distinct poll_id),
                count(distinct poll_id) filter (where error is not null),
                sum(request_count)
            from gone
            group by repository_id, day
            on conflict (repository_id, day) do update set
                poll_count = known.poll_count + excluded.poll_count,
                failed_poll_count = known.failed_poll_count + excluded.failed_poll_count,
                request_count = known.request_count + excluded.request_count
        )

        select count(*) from gone
    """,
)

BATCHES = deleted(
    "batches of drains",
    "retention_poll_days",
    table="raw.webhook_batches",
    key="batch_id",
    # The newest of each kind stays: the next drain says by which its table was loaded last.
    where="""
        drained_at < %(before)s
        and not exists (select from raw.unbuilt_loads where load_id = old.batch_id)
        and old.batch_id < (select max(batch_id) from raw.webhook_batches where run_count > 0)
        and old.batch_id < (select max(batch_id) from raw.webhook_batches where job_count > 0)
    """,
)

LOADS = deleted(
    "loads of polls",
    "retention_poll_days",
    table="raw._dlt_loads",
    key="load_id",
    # dlt reads none of them again: its state stands with the tables themselves.
    where="""
        inserted_at < %(before)s
        and not exists (select from raw.unbuilt_loads where unbuilt_loads.load_id = old.load_id)
    """,
)

DIRECT_LOADS = deleted(
    "loads of lists and levels",
    "retention_poll_days",
    table="raw.direct_loads",
    key="load_id",
    where="""
        loaded_at < %(before)s
        and not exists (select from raw.unbuilt_loads where unbuilt_loads.load_id = old.load_id)
    """,
)

BUILT_LOADS = deleted(
    "records of built loads",
    "retention_poll_days",
    table="marts.built_loads",
    key="load_id",
    # After the loads themselves: one that is still known counts as built by it alone.
    where="""
        built_at < %(before)s
        and not exists (select from raw.loads where loads.load_id = old.load_id)
    """,
    needs="marts.built_loads",
)
