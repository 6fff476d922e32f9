"""The API's connections: one pool that reads an answer, one that checks who asks."""

import os
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Any, Protocol, cast

import psycopg
from flask import current_app
from psycopg import sql
from psycopg.rows import DictRow, dict_row
from psycopg_pool import ConnectionPool

from actionsight import database

POOL_TIMEOUT_SECONDS = 3
POOL_SIZE = 8
# A transaction that waits longer for its own process is one whose process is gone.
IDLE_SECONDS = 60
# What every route with numbers stands on, and what some read beside it (`Database.reading`).
CORE_MARTS = (
    "repositories",
    "workflows",
    "workflow_run_attempts",
    "workflow_runs",
    "jobs",
    "workflow_statistics_by_day",
)
FURTHER_MARTS = (
    "steps",
    "job_statistics_by_day",
    "repository_statistics_by_day",
    "runner_statistics_by_hour",
    "flaky_job_occurrences",
    "branch_health_intervals",
    "level_changes",
    "collection_health_by_day",
)
READ_MARTS = (*CORE_MARTS, *FURTHER_MARTS)
BOOKKEEPING = ("data_versions", "models", "behind")
READ_TABLES = (*READ_MARTS, *BOOKKEEPING)

# One snapshot for the whole answer. Sorting for percentiles should stay in memory. A statement that
# a session has met five times gets no plan for whatever is asked with it: some of those read for
# seconds what the right one finds in milliseconds.
READ_OPTIONS = (
    r"-c default_transaction_isolation=repeatable\ read "
    "-c default_transaction_read_only=on -c work_mem=32MB -c jit=off "
    "-c plan_cache_mode=force_custom_plan"
)

# In one message to the server. A mart with another key is made anew under its name; a transaction
# that took its snapshot before that would find the new table empty, so the names are held first,
# which takes no snapshot.
_BEGIN = """
    begin;
    lock table {tables} in access share mode;
    select
        array(
            select model from marts.models where built_at is null and model in ({marts}) order by 1
        ) as unbuilt,
        {snapshot} as snapshot
"""

# Of the primary server, where something may be written.
Primary = psycopg.Connection[DictRow]


class Connection(Protocol):
    """What an answer is read from."""

    def execute(self, query: Any, params: Any = None, /) -> psycopg.Cursor[DictRow]:
        """Ask, and give what tells the rows."""
        ...


class NotBuiltError(Exception):
    """Marts of which not all rows are there yet; names them."""


class Reading:
    """A read-only transaction with one snapshot, from which a whole answer is read. It begins, and
    takes a connection, once something is asked of it: an answer that is known needs none.

    Attributes:
        marts: what the answer may read.
    """

    def __init__(
        self,
        marts: tuple[str, ...],
        begin: Callable[[tuple[str, ...]], tuple[Primary, str | None]],
    ) -> None:
        self.marts = marts
        self._begin = begin
        self._begun: tuple[Primary, str | None] | None = None

    @property
    def has_begun(self) -> bool:
        """Whether something was asked."""
        return self._begun is not None

    @property
    def snapshot(self) -> str | None:
        """The name of its snapshot (`actionsight.database.SNAPSHOT`)."""
        return self._connection()[1]

    def execute(self, query: Any, params: Any = None, /) -> psycopg.Cursor[DictRow]:
        """Ask.

        Raises:
            psycopg.OperationalError: the database is away, or a statement took too long.
            psycopg.errors.UndefinedTable: the marts are not built.
            NotBuiltError: one of them is new, or of a new version, and its rows are not all there.
        """
        return self._connection()[0].execute(query, params)

    def _connection(self) -> tuple[Primary, str | None]:
        if self._begun is None:
            self._begun = self._begin(self.marts)
        return self._begun


class Database:
    """Two pools, opened by the process that first uses them (a server may fork after loading)."""

    def __init__(self, url: str, read_url: str, *, statement_timeout_seconds: float = 10) -> None:
        timeout = (
            f"-c statement_timeout={int(statement_timeout_seconds * 1000)}ms "
            f"-c idle_in_transaction_session_timeout={IDLE_SECONDS}s"
        )
        self._kinds = {"read": (read_url, f"{timeout} {READ_OPTIONS}"), "write": (url, timeout)}
        self._pools: dict[tuple[int, str], ConnectionPool[Primary]] = {}
        self._lock = threading.Lock()

    @contextmanager
    def reading(self, *further: str) -> Generator[Reading]:
        """One read-only transaction with one snapshot, from which a whole answer is read; it begins
        with the first question.

        A mart that is new, or of a new version, closes the routes that read it, and no other one.

        Args:
            further: the marts that the answer needs beside those that every one stands on.
        """
        with ExitStack() as stack:
            yield Reading(
                (*CORE_MARTS, *further),
                lambda marts: _begun(stack.enter_context(self._connection("read")), marts),
            )

    @contextmanager
    def snapshot(self) -> Generator[Primary]:
        """The same without the marts: for what must answer before they are built."""
        with self._connection("read") as connection:
            connection.execute("begin")
            yield connection

    @contextmanager
    def looking(self) -> Generator[Primary]:
        """The primary server, where each statement is a transaction: who asks, and what they may
        see, are one message to the server each."""
        with self._connection("write") as connection:
            yield connection

    @contextmanager
    def writing(self) -> Generator[Primary]:
        """A transaction on the primary server."""
        with self._connection("write") as connection:
            connection.execute("begin")
            yield connection

    def close(self) -> None:
        """Close the pools of this process; the next use opens them again."""
        with self._lock:
            own = [key for key in self._pools if key[0] == os.getpid()]
            for key in own:
                self._pools.pop(key).close()

    @contextmanager
    def _connection(self, kind: str) -> Generator[Primary]:
        pool = self._pool(kind)
        with pool.connection(timeout=POOL_TIMEOUT_SECONDS) as connection:
            yield connection

    def _pool(self, kind: str) -> ConnectionPool[Primary]:
        key = (os.getpid(), kind)
        with self._lock:
            if key not in self._pools:
                url, options = self._kinds[kind]
                pool = database.pool(
                    url,
                    max_size=POOL_SIZE,
                    options=options,
                    row_factory=dict_row,
                    # Transactions are begun here, where others may go in the same message.
                    autocommit=True,
                )
                pool.open()
                self._pools[key] = cast(ConnectionPool[Primary], pool)
            return self._pools[key]


def array_of(ids: Iterable[int]) -> str:
    """Ids as PostgreSQL writes an array, which is made in a twentieth of the time that an array
    takes as a parameter: what a viewer may see can be hundreds, in every statement."""
    return "{" + ",".join(map(str, ids)) + "}"


def _begun(connection: Primary, marts: tuple[str, ...]) -> tuple[Primary, str | None]:
    cursor = connection.execute(_beginning(marts), prepare=False)
    while cursor.nextset():
        pass
    (row,) = cursor.fetchall()
    if row["unbuilt"]:
        raise NotBuiltError(", ".join(row["unbuilt"]))
    return connection, row["snapshot"]


@cache
def _beginning(marts: tuple[str, ...]) -> bytes:
    statement = sql.SQL(_BEGIN).format(
        tables=sql.SQL(", ").join(sql.Identifier("marts", name) for name in (*marts, *BOOKKEEPING)),
        marts=sql.SQL(", ").join(map(sql.Literal, marts)),
        snapshot=database.SNAPSHOT,
    )
    return statement.as_bytes()


def current_database() -> Database:
    """The database of the application that answers now."""
    extension: Any = current_app.extensions["database"]
    return cast(Database, extension)
