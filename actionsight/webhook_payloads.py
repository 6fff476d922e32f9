"""Payloads of webhooks: most of the bytes of raw, read by people alone, in a table of weeks.

`raw.webhook_payloads` is partitioned by when a delivery was received. The drain adds the partition
of a week with its first delivery; retention drops one once all of it is old, which takes no longer
than for a small one, writes nothing to PostgreSQL's log of changes and gives the room back to the
disk at once (docs/decisions/0053). `raw.webhook_events` shows each delivery with its payload.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg import Connection, sql
from psycopg.rows import scalar_row

logger = logging.getLogger(__name__)

_TABLE = "webhook_payloads"
# A drain waits behind who waits for a partition, so that is no long while.
_LOCK_SECONDS = 2


@dataclass(frozen=True, order=True)
class Week:
    """Seven days from a Monday, 00:00 UTC, on."""

    begins: datetime

    @classmethod
    def of(cls, moment: datetime) -> "Week":
        """The week that a moment is in."""
        day = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return cls(day - timedelta(days=day.weekday()))

    @property
    def ends(self) -> datetime:
        """When the next one begins."""
        return self.begins + timedelta(days=7)

    @property
    def partition(self) -> sql.Identifier:
        """The table that holds its payloads."""
        return sql.Identifier("raw", f"{_TABLE}_{self.begins:%Y%m%d}")


def weeks(connection: Connection[Any]) -> list[Week]:
    """The weeks that have a partition, the oldest first."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        names = cursor.execute(
            """
            select relname from pg_inherits
            inner join pg_class on pg_class.oid = inhrelid
            where inhparent = %s::regclass
            """,
            [f"raw.{_TABLE}"],
        ).fetchall()
    return sorted(
        Week(datetime.strptime(name.removeprefix(f"{_TABLE}_"), "%Y%m%d").replace(tzinfo=UTC))
        for name in names
    )


def add_weeks(connection: Connection[Any], moments: Iterable[datetime]) -> None:
    """Add the partitions that these moments need, in the caller's transaction.

    Attached rather than made in place, so that neither who reads (a backup does so for long) nor
    this one waits for the other; one that a person detached comes back. The caller holds the lock
    of webhooks.
    """
    one_a_day = {moment.astimezone(UTC).date(): moment for moment in moments}
    for week in sorted({Week.of(moment) for moment in one_a_day.values()} - set(weeks(connection))):
        parent = sql.Identifier("raw", _TABLE)
        connection.execute(
            sql.SQL("create table if not exists {} (like {} including all)").format(
                week.partition, parent
            )
        )
        connection.execute(
            sql.SQL("alter table {} attach partition {} for values from ({}) to ({})").format(
                parent, week.partition, week.begins.isoformat(), week.ends.isoformat()
            )
        )


def count(connection: Connection[Any], before: datetime) -> int:
    """How many payloads are in weeks that ended before a moment."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        return int(
            cursor.execute(
                "select count(*) from raw.webhook_payloads where received_at < %s",
                [Week.of(before).begins],
            ).fetchone()
            or 0
        )


def drop(connection: Connection[Any], week: Week) -> int:
    """Drop a week's partition; give how many payloads that were.

    0, and all of them stay, while somebody reads payloads, such as a backup.
    """
    try:
        with connection.transaction(), connection.cursor(row_factory=scalar_row) as cursor:
            cursor.execute("select set_config('lock_timeout', %s, true)", [f"{_LOCK_SECONDS}s"])
            dropped = cursor.execute(
                sql.SQL("select count(*) from {}").format(week.partition)
            ).fetchone()
            cursor.execute(sql.SQL("drop table {}").format(week.partition))
    except psycopg.errors.LockNotAvailable:
        logger.warning(
            "payloads of the week of %s stay as yet: something reads them, such as a backup",
            week.begins.date(),
        )
        return 0
    return int(dropped or 0)


def drop_before(connection: Connection[Any], before: datetime) -> int:
    """Drop the partitions of weeks that ended before a moment; give how many payloads went."""
    return sum(drop(connection, week) for week in weeks(connection) if week.ends <= before)
