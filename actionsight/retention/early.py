"""Payloads that go before their time, since the disk is nearly full."""

from typing import Any

from psycopg import Connection

from actionsight.disk import Disk
from actionsight.webhook_payloads import drop, weeks


def make_room(connection: Connection[Any], disk: Disk) -> int:
    """While the disk is nearly full drop payloads, the oldest week first; give how many went.

    Args:
        connection: one that commits by itself.
        disk: it is looked at anew after each week.
    """
    removed = 0
    for week in weeks(connection):
        if not disk.measure().is_nearly_full:
            break
        removed += drop(connection, week)
    return removed
