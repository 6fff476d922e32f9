"""Connections to PostgreSQL: UTC, named, closed by their context.

What a session needs (time zone, timeouts) travels as its start-up options. A pooler between refuses
them or drops them, and hands each transaction on to any of its sessions at the server: then each
transaction begins by setting them for itself, nothing is prepared, and nothing else of a session is
relied on, whichever mode the pooler works in.
"""

import select
from collections.abc import Mapping
from typing import Any, Self
from urllib.parse import urlsplit

import psycopg
from psycopg import sql
from psycopg.rows import Row
from psycopg_pool import ConnectionPool

APPLICATION_NAME = "actionsight"
# The server's side of a session. One whose client vanished with its machine would hold its locks
# for two hours otherwise, and collection and drain would wait for it.
_KEEPALIVE = {
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "60000",
}
# This side, for which an idle session that holds a lock is one that a firewall may forget.
_CONNECTING: dict[str, Any] = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}
# So long a pool tries again by itself to connect.
RECONNECT_SECONDS = 2.0
# What poolers say to options that they do not pass on.
_REFUSES_OPTIONS = "unsupported startup parameter"

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


class Session(psycopg.Connection[Row]):
    """A session that speaks UTC, at a server or behind a pooler.

    Attributes:
        is_pooled: whether somebody between hands transactions on to sessions at the server.
        settings: behind a pooler what a transaction begins with, so that it is as settings that
            travel would make it; empty where they did.
    """

    is_pooled = False
    settings = b""

    @classmethod
    def connect(
        cls, conninfo: str = "", *, settings: Mapping[str, str] | None = None, **given: Any
    ) -> Self:
        """Open one.

        Args:
            settings: of PostgreSQL, for the length of the session; behind a pooler, of each
                transaction that begins with them.
            given: as psycopg takes it.

        Raises:
            psycopg.OperationalError: the server cannot be reached or refuses.
        """
        given = {**_CONNECTING, **given}
        wanted = {"TimeZone": "UTC", **(settings or {})}
        named = {"application_name": APPLICATION_NAME}
        try:
            made = super().connect(
                conninfo, options=options_of({**named, **wanted, **_KEEPALIVE}), **given
            )
            if made._is_as_asked():
                return made
            made.close()
        except psycopg.OperationalError as error:
            if _REFUSES_OPTIONS not in str(error):
                raise
        made = super().connect(conninfo, prepare_threshold=None, **named, **given)
        made.is_pooled = True
        made.settings = "".join(f"set local {k} = '{v}';" for k, v in wanted.items()).encode()
        # Poolers keep it for the client, as they do its name.
        made.pgconn.exec_(b"set timezone = 'UTC'")
        return made

    def _is_as_asked(self) -> bool:
        """Whether its options arrived at the very session at the server that is talked to."""
        if self.info.parameter_status("application_name") != APPLICATION_NAME:
            return False
        # Not by psycopg, which would begin a transaction.
        process = self.pgconn.exec_(b"select pg_backend_pid()").get_value(0, 0)
        return process == str(self.info.backend_pid).encode()


def connect(
    url: str,
    *,
    autocommit: bool = False,
    settings: Mapping[str, str] | None = None,
    **given: Any,
) -> Session[Any]:
    """Open a session (`Session.connect`).

    Raises:
        psycopg.OperationalError: the server cannot be reached or refuses.
    """
    return Session.connect(url, autocommit=autocommit, settings=settings, **given)


def pool(
    url: str, *, max_size: int, settings: Mapping[str, str], **given: Any
) -> ConnectionPool[Session[Any]]:
    """Make a pool of such sessions, not yet open: the process that uses it opens it.

    A session is tried before it is lent, so that a restart of the server costs no answer. After an
    outage whoever asks next connects: without that the pool tries again after pauses that double.
    """
    return ConnectionPool(
        url,
        connection_class=Session,
        kwargs={"settings": settings, **given},
        min_size=0,
        max_size=max_size,
        open=False,
        check=_try,
        reconnect_timeout=RECONNECT_SECONDS,
    )


def options_of(settings: Mapping[str, str]) -> str:
    """Settings as the start-up options of a session; no value has a space in it."""
    return " ".join(f"-c {name}={value}" for name, value in settings.items())


def with_database(url: str, name: str) -> str:
    """The same server and user, another database."""
    # By hand: urlunsplit takes the slashes from an address without a host.
    path = urlsplit(url).path
    root, _, options = url.partition("?")
    return root.removesuffix(path) + f"/{name}" + (f"?{options}" if options else "")


def _try(connection: psycopg.Connection[Any]) -> None:
    """Raise where the server has ended the session. To an idle one it says nothing else unasked, so
    that only where something came it has to be asked, which takes as long as a small question."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    if poll.poll(0):
        ConnectionPool.check_connection(connection)
