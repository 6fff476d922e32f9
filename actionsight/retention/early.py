"""Payloads that go before their time, since the disk is nearly full."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg import Connection

from actionsight.database import Session
from actionsight.disk import Disk
from actionsight.retention.rule import remove
from actionsight.retention.webhooks import PAYLOADS

# Where payloads are kept for ever, half a year's go first.
_LONGEST_DAYS = 365
# Deliveries wait in the event buffer while the table is written anew.
_LOCK_SECONDS = 10


def make_room(connection: Connection[Any], disk: Disk, days: int) -> int:
    """While the disk is nearly full remove payloads, of half as many days each time; give how many.

    Args:
        connection: one that commits by itself.
        disk: it is looked at anew each time.
        days: for how many days payloads are kept; 0: for ever.
    """
    days, removed = days or _LONGEST_DAYS, 0
    while days and disk.measure().is_nearly_full:
        days //= 2
        went = remove(PAYLOADS, connection, datetime.now(UTC) - timedelta(days=days))
        if went:
            removed += went
            _give_back(connection, disk)
    return removed


def _give_back(connection: Connection[Any], disk: Disk) -> None:
    """Give the room back to the disk, where what stays can be written once more beside it, and to
    the log of changes. Else PostgreSQL itself uses it for what comes; so it does behind a pooler,
    where how long this waits for its lock would be set for another."""
    if isinstance(connection, Session) and connection.is_pooled:
        return
    kept = connection.execute(
        """
        select coalesce(sum(octet_length(payload)), 0) + 1000 * count(*) from raw.webhook_events
        """
    ).fetchone()
    usage = disk.measure()
    if not kept or 2 * kept[0] > usage.limit_bytes - usage.used_bytes:
        return
    try:
        connection.execute("select set_config('lock_timeout', %s, false)", [f"{_LOCK_SECONDS}s"])
        connection.execute("vacuum (full) raw.webhook_events")
    except (psycopg.errors.LockNotAvailable, psycopg.errors.DiskFull):
        return  # the next time
    finally:
        connection.execute("reset lock_timeout")
