"""dlt's client of PostgreSQL, with connections that serve several of its jobs.

dlt opens four of them a load: to look at the tables, to copy, to merge, and to note the load. It
names the schema of each table, so that none of its connections needs a search path, which a pooler
would not pass on.
"""

from collections import deque
from typing import Any

import psycopg2
from dlt.destinations.impl.postgres.sql_client import Psycopg2SqlClient
from dlt.destinations.sql_client import raise_open_connection_error
from psycopg2.extensions import TRANSACTION_STATUS_IDLE

CONNECT_SECONDS = 15


class SqlClient(Psycopg2SqlClient):
    """A client that takes an idle connection before it opens one, and leaves it to the next.

    Args:
        like: dlt's client, of the same dataset.
        database_url: where to connect to. Not put together from dlt's credentials, which write
            a space or a plus of a password in a way that libpq reads as something else.
        idle: the connections that nobody uses, which threads share.
    """

    def __init__(self, like: Psycopg2SqlClient, database_url: str, idle: deque[Any]) -> None:
        super().__init__(
            like.dataset_name, like.staging_dataset_name, like.credentials, like.capabilities
        )
        self._database_url = database_url
        self._idle = idle

    @raise_open_connection_error
    def open_connection(self) -> Any:
        """A connection as if it were new.

        Raises:
            DestinationConnectionError: PostgreSQL cannot be reached.
        """
        try:
            self._conn = self._idle.pop()
            self._reset_connection()
        except (IndexError, psycopg2.Error):  # there is none, or it was lost meanwhile
            self._conn = psycopg2.connect(self._database_url, connect_timeout=CONNECT_SECONDS)
            self._reset_connection()
        return self._conn

    def close_connection(self) -> None:
        """Leave the connection to the next; one that is lost, or amid something, is closed."""
        connection = self._conn
        if connection and connection.info.transaction_status == TRANSACTION_STATUS_IDLE:
            self._idle.append(connection)
            self._conn = None
        else:
            super().close_connection()
