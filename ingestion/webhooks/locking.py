"""One writer of webhooks at a time per database: a drain, or a replay of dead letters."""

import logging
from typing import Any

from psycopg import Connection

from actionsight.locks import WEBHOOK_LOCK, holder_of

logger = logging.getLogger(__name__)


def try_lock(connection: Connection[Any]) -> bool:
    """Take the lock for the length of this transaction; False where another one has it."""
    row = connection.execute("select pg_try_advisory_xact_lock(%s)", [WEBHOOK_LOCK]).fetchone()
    return row == (True,)


def wait_for_lock(connection: Connection[Any]) -> None:
    """Take the lock for the length of this transaction, as soon as another one leaves it."""
    if not try_lock(connection):
        holder = holder_of(connection, WEBHOOK_LOCK)
        logger.info("another drain is under way: waiting for it (its lock is held by %s)", holder)
        connection.execute("select pg_advisory_xact_lock(%s)", [WEBHOOK_LOCK])
