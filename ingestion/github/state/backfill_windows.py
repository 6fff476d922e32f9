"""The backfill's checkpoints in PostgreSQL: windows of creation time, each read once.

Windows of a repository do not overlap and lie before what the head sees; a window that holds more
runs than GitHub shows is replaced by its halves.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Window:
    """Runs of a repository created from `starts_at` to `ends_at`, both included, to the second."""

    repository_id: int
    starts_at: datetime
    ends_at: datetime

    @property
    def is_one_second(self) -> bool:
        """Whether it cannot be halved."""
        return self.starts_at >= self.ends_at

    def halves(self) -> tuple["Window", "Window"]:
        """The older and the newer half."""
        seconds = int((self.ends_at - self.starts_at).total_seconds())
        middle = self.starts_at + timedelta(seconds=seconds // 2)
        return (
            Window(self.repository_id, self.starts_at, middle),
            Window(self.repository_id, middle + SECOND, self.ends_at),
        )


@dataclass(frozen=True)
class BackfillProgress:
    """How far the backfill of a repository has come: windows, and the time that they span."""

    window_count: int
    completed_count: int
    span_seconds: float
    completed_seconds: float

    @property
    def share(self) -> float:
        """From 0 to 1."""
        return self.completed_seconds / self.span_seconds if self.span_seconds else 1.0


def plan(
    connection: Connection[Any], repository_id: int, target: datetime, head_since: datetime
) -> None:
    """Want the history from `target` up to what the head sees; what is planned already stays."""
    with connection.transaction():
        connection.execute(
            """
            insert into raw.backfill_windows (repository_id, starts_at, ends_at)
            select %(id)s, %(target)s, newest.ends_at
            from (
                select coalesce(min(starts_at), %(head)s) - interval '1 second' as ends_at
                from raw.backfill_windows where repository_id = %(id)s
            ) as newest
            where newest.ends_at >= %(target)s
            """,
            {"id": repository_id, "target": target, "head": head_since},
        )
        connection.execute(
            """
            update app.repositories
            set backfill_target = least(backfill_target, %s)
            where repository_id = %s
            """,
            [target, repository_id],
        )
    save_progress(connection, repository_id)


def add(connection: Connection[Any], window: Window) -> None:
    """Want another window, which overlaps with none."""
    connection.execute(
        """
        insert into raw.backfill_windows (repository_id, starts_at, ends_at) values (%s, %s, %s)
        on conflict (repository_id, starts_at) do nothing
        """,
        [window.repository_id, window.starts_at, window.ends_at],
    )
    save_progress(connection, window.repository_id)


def unread(connection: Connection[Any], repository_ids: Collection[int]) -> list[Window]:
    """Windows that are still to be read, newest first."""
    with connection.cursor(row_factory=class_row(Window)) as cursor:
        cursor.execute(
            """
            select repository_id, starts_at, ends_at from raw.backfill_windows
            where repository_id = any(%s) and completed_at is null
            order by ends_at desc
            """,
            [list(repository_ids)],
        )
        return cursor.fetchall()


def halve(connection: Connection[Any], window: Window) -> None:
    """Replace a window by its halves; the probe that showed the need is counted with the newer."""
    older, newer = window.halves()
    with connection.transaction():
        connection.execute(
            """
            update raw.backfill_windows set ends_at = %s
            where repository_id = %s and starts_at = %s
            """,
            [older.ends_at, window.repository_id, window.starts_at],
        )
        connection.execute(
            """
            insert into raw.backfill_windows (repository_id, starts_at, ends_at, request_count)
            values (%s, %s, %s, 1)
            """,
            [newer.repository_id, newer.starts_at, newer.ends_at],
        )


def complete(
    connection: Connection[Any],
    window: Window,
    *,
    run_count: int,
    request_count: int,
    is_capped: bool,
    completed_at: datetime,
) -> None:
    """A window's runs are stored: it is not read again."""
    connection.execute(
        """
        update raw.backfill_windows set
            completed_at = %s,
            run_count = %s,
            request_count = coalesce(request_count, 0) + %s,
            is_capped = %s
        where repository_id = %s and starts_at = %s
        """,
        [
            completed_at,
            run_count,
            request_count,
            is_capped,
            window.repository_id,
            window.starts_at,
        ],
    )


def claimed(connection: Connection[Any], repository_id: int) -> dict[Window, int]:
    """How many runs each window of a repository showed, newest first; nothing while one is unread,
    or was read before that was counted, or cannot be read whole."""
    rows = connection.execute(
        """
        select starts_at, ends_at, run_count,
            completed_at is not null and run_count is not null and not is_capped as is_known
        from raw.backfill_windows where repository_id = %s
        order by ends_at desc
        """,
        [repository_id],
    ).fetchall()
    if not all(is_known for _, _, _, is_known in rows):
        return {}
    return {Window(repository_id, start, end): count for start, end, count, _ in rows}


def reopen(connection: Connection[Any], repository_id: int, again: Collection[Window]) -> None:
    """What these windows showed is not believed: they are to be read again."""
    with connection.transaction():
        connection.execute(
            """
            update raw.backfill_windows set completed_at = null, run_count = null
            where repository_id = %s and starts_at = any(%s)
            """,
            [repository_id, [window.starts_at for window in again]],
        )
        connection.execute(
            "update app.repositories set backfilled_from = null where repository_id = %s",
            [repository_id],
        )
    save_progress(connection, repository_id)


def read_again(connection: Connection[Any], repository_id: int, since: datetime) -> None:
    """Want the windows since then once more, unless some of them are still to be read."""
    rows = connection.execute(
        """
        select starts_at, ends_at, completed_at from raw.backfill_windows
        where repository_id = %s and ends_at >= %s
        """,
        [repository_id, since],
    ).fetchall()
    if rows and all(completed_at is not None for _, _, completed_at in rows):
        reopen(
            connection, repository_id, [Window(repository_id, start, end) for start, end, _ in rows]
        )


def progress(connection: Connection[Any], repository_id: int) -> BackfillProgress:
    """How far the backfill of a repository has come."""
    with connection.cursor(row_factory=class_row(BackfillProgress)) as cursor:
        row = cursor.execute(
            """
            select
                count(*) as window_count,
                count(completed_at) as completed_count,
                coalesce(sum(extract(epoch from ends_at - starts_at) + 1), 0)::float
                    as span_seconds,
                coalesce(sum(extract(epoch from ends_at - starts_at) + 1)
                    filter (where completed_at is not null), 0)::float as completed_seconds
            from raw.backfill_windows where repository_id = %s
            """,
            [repository_id],
        ).fetchone()
    return row or BackfillProgress(0, 0, 0.0, 0.0)


def save_progress(connection: Connection[Any], repository_id: int) -> None:
    """Show how far the backfill has come: complete up to the newest gap, and when it will end at
    the pace of its last hour."""
    connection.execute(
        """
        update app.repositories as repository set
            backfill_windows = counted.windows,
            backfill_windows_completed = counted.completed,
            backfilled_from = case
                when counted.completed = 0 then repository.backfilled_from
                else coalesce(counted.newest_gap + interval '1 second', counted.oldest)
            end,
            backfill_estimated_end = case
                when counted.windows > counted.completed and counted.recent > 1
                    then counted.latest + (counted.latest - counted.earliest)
                        / (counted.recent - 1) * (counted.windows - counted.completed)
            end
        from (
            select
                count(*) as windows,
                count(completed_at) as completed,
                max(ends_at) filter (where completed_at is null) as newest_gap,
                min(starts_at) as oldest,
                count(*) filter (where is_recent) as recent,
                min(completed_at) filter (where is_recent) as earliest,
                max(completed_at) as latest
            from (
                select *, completed_at > max(completed_at) over () - interval '1 hour' as is_recent
                from raw.backfill_windows where repository_id = %(id)s
            ) as windows
        ) as counted
        where repository.repository_id = %(id)s
        """,
        {"id": repository_id},
    )
