"""What is waiting to be done: first polls, history with its jobs, sweeps, drains and builds."""

from datetime import datetime, timedelta
from typing import Any

import redis
from psycopg import Connection, sql

from actionsight.database import connect
from actionsight.event_buffer import EventBuffer
from actionsight.settings import Settings

# Daily, by a schedule that comes round every hour.
SWEEP_DUE_AFTER = timedelta(hours=23)


def has_backlog(settings: Settings) -> bool:
    """Whether there is work that needs no look at GitHub to be known: a drain, a build, history, a
    sweep."""
    database_url = str(settings.database_url)
    return bool(
        # In this order: an event leaves the buffer once its rows wait for a build.
        (settings.redis_url is not None and _events_wait(settings.redis_url))
        or is_build_owed(database_url)
        or pending_history(database_url, settings.backfill_days)
        or due_sweeps(database_url)
    )


def pending_history(database_url: str, backfill_days: int) -> set[int]:
    """The slots (`actionsight.shards`) of monitored repositories that lack history which can be
    asked for now."""
    with connect(database_url) as connection:
        rows = connection.execute(
            """
            select distinct app.collection_slot(full_name)
            from app.repositories
            where removed_at is null
                and unreachable_since is null
                and head_since is not null
                and (
                    backfill_target is null
                    or backfill_target > now() - %s
                    or exists (
                        select from raw.backfill_windows as unread
                        where unread.repository_id = repositories.repository_id
                            and unread.completed_at is null
                    )
                    or exists (
                        select from raw.owed_job_listings as owed
                        where owed.repository_id = repositories.repository_id
                            and owed.began_at < repositories.head_since
                            and (owed.not_before is null or owed.not_before <= now())
                    )
                )
            """,
            [timedelta(days=backfill_days)],
        ).fetchall()
    return {slot for (slot,) in rows}


def due_sweeps(database_url: str) -> set[int]:
    """The slots of repositories that were not swept within the last day."""
    with connect(database_url) as connection:
        rows = connection.execute(
            """
            select distinct app.collection_slot(full_name)
            from app.repositories
            where removed_at is null and unreachable_since is null
                and coalesce(swept_at, head_since) <= now() - %s
            """,
            [SWEEP_DUE_AFTER],
        ).fetchall()
    return {slot for (slot,) in rows}


def newest_unpolled(database_url: str) -> dict[int, datetime]:
    """When the newest repository or selection of a slot was added that no poll has looked at since
    (UTC), by slot."""
    with connect(database_url) as connection:
        rows = connection.execute(
            """
            select app.collection_slot(name), max(added_at) from (
                select repositories.full_name as name, repositories.added_at
                from app.repositories
                where repositories.removed_at is null
                    and not exists (
                        select from raw.polls
                        where polls.repository_id = repositories.repository_id
                            and polls.started_at >= repositories.added_at
                    )
                union all
                select name, added_at
                from app.repository_selections
                where repository_id is null and removed_at is null and last_error is null
                    and listed_at is null
            ) as unpolled
            group by 1
            """
        ).fetchall()
    return dict(rows)


def newest_without_history(database_url: str) -> dict[int, datetime]:
    """When the newest repository of a slot was added whose history no backfill has begun with
    (UTC), by slot."""
    with connect(database_url) as connection:
        rows = connection.execute(
            """
            select app.collection_slot(full_name), max(added_at) from app.repositories
            where removed_at is null and head_since is not null and backfill_target is null
                and unreachable_since is null
            group by 1
            """
        ).fetchall()
    return dict(rows)


def unbuilt_load_count(database_url: str) -> int:
    """How many committed loads no build has taken in yet."""
    with connect(database_url) as connection:
        return _unbuilt_load_count(connection)


def _unbuilt_load_count(connection: Connection[Any]) -> int:
    built = connection.execute("select to_regclass('marts.built_loads')").fetchone()
    # Where somebody dropped the marts nothing is built, whatever was recorded before.
    unbuilt = "loads" if built == (None,) else "unbuilt_loads"
    counted = connection.execute(
        sql.SQL("select count(*) from raw.{}").format(sql.Identifier(unbuilt))
    ).fetchone()
    return int(counted[0]) if counted else 0


def is_build_owed(database_url: str) -> bool:
    """Whether a load is unbuilt, or scopes wait in the queue of a mart.

    Those of a rebuild that goes on, or of a mart that failed and is to be tried again.
    """
    with connect(database_url) as connection:
        return _unbuilt_load_count(connection) > 0 or _are_scopes_waiting(connection)


def _are_scopes_waiting(connection: Connection[Any]) -> bool:
    # Not of pg_tables, which joins what nobody asks for here, every few seconds.
    queues = connection.execute(
        """
        select relname from pg_class
        where relnamespace = to_regnamespace('intermediate') and relkind in ('r', 'p')
            and starts_with(relname, 'touched__')
        """
    ).fetchall()
    if not queues:
        return False
    are_waiting = sql.SQL(" or ").join(
        sql.SQL("exists (select from {} where reason != 'drift')").format(
            sql.Identifier("intermediate", queue)
        )
        for (queue,) in queues
    )
    return connection.execute(sql.SQL("select {}").format(are_waiting)).fetchone() == (True,)


def _events_wait(redis_url: str) -> bool:
    """Whether the event buffer is not empty, as far as is known."""
    buffer = EventBuffer(redis_url)
    try:
        return buffer.freshness().event_count > 0
    except redis.RedisError:
        # A drain will say what is wrong.
        return True
    finally:
        buffer.close()
