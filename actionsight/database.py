"""Connections to PostgreSQL: UTC, named, closed by their context.

What a session needs (time zone, timeouts, isolation, read-only) travels as its start-up options.
A pooler between may drop them in silence: a name travels with them that each session must have.
"""

import select
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql
from psycopg_pool import ConnectionPool

APPLICATION_NAME = "actionsight"
# The server's side of a session. One whose client vanished with its machine would hold its locks
# for two hours otherwise, and collection and drain would wait for it.
_KEEPALIVE = (
    "-c tcp_keepalives_idle=30 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3 "
    "-c tcp_user_timeout=60000"
)

# In which snapshot a statement reads: as long as no transaction ends that wrote something, it is
# the same, and so are all rows. Null on a replica, whose snapshots do not tell what is in progress;
# the other parts tell servers and databases apart, and a server from itself before a restore.
SNAPSHOT = sql.SQL(
    """
    case when not pg_is_in_recovery() then
        concat_ws(' ', pg_current_snapshot(), current_database(), pg_postmaster_start_time())
    end
    """
)


class SessionError(psycopg.OperationalError):
    """The session is not what was asked for; the message says what stands between."""


def connect(url: str, *, autocommit: bool = False, **options: Any) -> psycopg.Connection[Any]:
    """Open a connection whose session speaks UTC.

    Raises:
        psycopg.OperationalError: the server cannot be reached or refuses.
        SessionError: the options of the session did not reach the server.
    """
    connection = psycopg.connect(url, autocommit=autocommit, **_session(options))
    try:
        _check(connection)
    except SessionError:
        connection.close()
        raise
    return connection


def pool(url: str, *, max_size: int, **options: Any) -> ConnectionPool[psycopg.Connection[Any]]:
    """Make a pool of such connections, not yet open: the process that uses it opens it.

    A connection is tried before it is lent, so that a restart of the server costs no answer.
    """
    return ConnectionPool(
        url,
        kwargs=_session(options),
        configure=_check,
        min_size=0,
        max_size=max_size,
        open=False,
        check=_try,
    )


def with_database(url: str, name: str) -> str:
    """The same server and user, another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def _session(options: dict[str, Any]) -> dict[str, Any]:
    given = options.pop("options", "")
    name = f"-c application_name={APPLICATION_NAME}"
    return {
        "options": f"{name} -c TimeZone=UTC {_KEEPALIVE} {given}".strip(),
        "connect_timeout": 10,
        **options,
    }


def _try(connection: psycopg.Connection[Any]) -> None:
    """Raise where the server has ended the session. To an idle one it says nothing else unasked, so
    that only where something came it has to be asked, which takes as long as a small question."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    if poll.poll(0):
        ConnectionPool.check_connection(connection)


def _check(connection: psycopg.Connection[Any]) -> None:
    """Raise unless the session's options arrived; the server has reported them, unasked.

    Raises:
        SessionError: they did not.
    """
    reported = connection.info.parameter_status
    if reported("application_name") != APPLICATION_NAME or reported("TimeZone") != "UTC":
        raise SessionError(
            "what stands before PostgreSQL (a pooler?) drops the options of a session: time zone, "
            "timeouts and isolation would be others than Actionsight relies on; name the server "
            "itself in ACTIONSIGHT_DATABASE_URL, or a pooler in session mode that passes options"
        )


def stands_behind_pooler(connection: psycopg.Connection[Any]) -> bool:
    """Whether somebody between hands the session on to another one at the server."""
    row = connection.execute("select pg_backend_pid()").fetchone()
    return row != (connection.info.backend_pid,)
