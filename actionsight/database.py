"""Connections to PostgreSQL: UTC, named, closed by their context."""

from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg_pool import ConnectionPool

APPLICATION_NAME = "actionsight"


def connect(url: str, *, autocommit: bool = False, **options: Any) -> psycopg.Connection[Any]:
    """Open a connection whose session speaks UTC.

    Raises:
        psycopg.OperationalError: the server cannot be reached or refuses.
    """
    return psycopg.connect(url, autocommit=autocommit, **_session(options))


def pool(url: str, *, max_size: int, **options: Any) -> ConnectionPool[psycopg.Connection[Any]]:
    """Make a pool of such connections, not yet open: the process that uses it opens it.

    A connection is tried before it is lent, so that a restart of the server costs no answer.
    """
    return ConnectionPool(
        url,
        kwargs=_session(options),
        min_size=0,
        max_size=max_size,
        open=False,
        check=ConnectionPool.check_connection,
    )


def with_database(url: str, name: str) -> str:
    """The same server and user, another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def _session(options: dict[str, Any]) -> dict[str, Any]:
    given = options.pop("options", "")
    return {
        "application_name": APPLICATION_NAME,
        "options": f"-c TimeZone=UTC {given}".strip(),
        "connect_timeout": 10,
        **options,
    }
