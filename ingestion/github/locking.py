"""One collection at a time of each shard, whichever process or machine it runs on."""

import logging
from collections.abc import Sequence
from typing import Any

from psycopg import Connection

from actionsight.locks import holder_of, holder_of_some

logger = logging.getLogger(__name__)


def take_lock(connection: Connection[Any], number: int, waiting: str) -> None:
    """Take a lock for as long as the connection lives; log `waiting` when that takes waiting."""
    row = connection.execute("select pg_try_advisory_lock(%s)", [number]).fetchone()
    if row != (True,):
        logger.info("%s (it is held by %s)", waiting, holder_of(connection, number))
        connection.execute("select pg_advisory_lock(%s)", [number])


def take_slots(connection: Connection[Any], number: int, slots: Sequence[int], what: str) -> None:
    """Take the locks of a collection's slots for as long as the connection lives.

    All who take some take the smallest first, and so nobody waits for ever.

    Args:
        number: of the loops (`actionsight.locks.LOOP_LOCKS`).
        what: the loops' name for people, who are told when it takes waiting.
    """
    if holder := holder_of_some(connection, number, slots):
        logger.info(
            "another collection (%s) is under way: waiting for it (it is held by %s)", what, holder
        )
    connection.execute(
        "select pg_advisory_lock(%s, slot) from unnest(%s::int[]) as slot", [number, slots]
    )
