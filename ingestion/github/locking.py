"""One collection at a time of each shard, whichever process or machine it runs on."""

import logging
from collections.abc import Sequence
from typing import Any

from psycopg import Connection

from actionsight.locks import holder_of, holder_of_some

logger = logging.getLogger(__name__)


def take_lock(connection: Connection[Any], number: int, waiting: str) -> None:
    """Take a lock until the transaction ends; log `waiting` when that takes waiting.

    Args:
        connection: as `actionsight.locks.keeping` gives it.
    """
    row = connection.execute("select pg_try_advisory_xact_lock(%s)", [number]).fetchone()
    if row != (True,):
        logger.info("%s (it is held by %s)", waiting, holder_of(connection, number))
        connection.execute("select pg_advisory_xact_lock(%s)", [number])


def take_slots(connection: Connection[Any], number: int, slots: Sequence[int], what: str) -> None:
    """Take the locks of a collection's slots until the transaction ends.

    All who take some take the smallest first, and so nobody waits for ever.

    Args:
        connection: as `actionsight.locks.keeping` gives it.
        number: of the loops (`actionsight.locks.LOOP_LOCKS`).
        what: the loops' name for people, who are told when it takes waiting.
    """
    if holder := holder_of_some(connection, number, slots):
        logger.info(
            "another collection (%s) is under way: waiting for it (it is held by %s)", what, holder
        )
    connection.execute(
        "select pg_advisory_xact_lock(%s, slot) from unnest(%s::int[]) as slot", [number, slots]
    )
