"""One collection at a time per database, whichever process or machine it runs on."""

import logging
from typing import Any

from psycopg import Connection

from actionsight.locks import holder_of

logger = logging.getLogger(__name__)


def take_lock(connection: Connection[Any], number: int, waiting: str) -> None:
    """Take a lock for as long as the connection lives; log `waiting` when that takes waiting."""
    row = connection.execute("select pg_try_advisory_lock(%s)", [number]).fetchone()
    if row != (True,):
        logger.info("%s (it is held by %s)", waiting, holder_of(connection, number))
        connection.execute("select pg_advisory_lock(%s)", [number])
