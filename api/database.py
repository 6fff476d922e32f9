"""The API's connections: one pool that reads an answer, one that checks who asks.

An answer is read from the replica where there is one, and from the primary server while that is
away. Who asks and what they may see is always read from the primary.
"""

import os
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Any, Protocol, cast

import psycopg
from flask import current_app, g, has_request_context
from psycopg import sql
from psycopg.rows import DictRow, dict_row
from psycopg_pool import ConnectionPool, PoolTimeout

from actionsight import database
from api.replica import TIMEOUT_SECONDS, Replica

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

# Sorting for percentiles should stay in memory. A statement that a session has met five times gets
# no plan for whatever is asked with it: some of those read for seconds what the right one finds in
# milliseconds.
READ_SETTINGS = {"work_mem": "32MB", "jit": "off", "plan_cache_mode": "force_custom_plan"}

# One snapshot for the whole answer.
_BEGIN_READING = b"begin isolation level repeatable read, read only;"
_BEGIN_WRITING = b"begin;"
# In one message to the server. A mart with another key is made anew under its name; a transaction
# that took its snapshot before that would find the new table empty, so the names are held first,
# which takes no snapshot.
_HOLD = """
    lock table {tables} in access share mode;
    select
        array(
            select model from marts.models where built_at is null and model in ({marts}) order by 1
        ) as unbuilt,
        {snapshot} as snapshot
"""

# How a replica ends a session, or a statement, for a change of the primary's that it has to apply.
_OF_REPLICAS = (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected)

# Of the primary server, where something may be written.
Primary = database.Session[DictRow]


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
    """Two pools, opened by the process that first uses them (a server may fork after loading), and
    a third one for the replica.

    Attributes:
        replica: what is known of it; None: there is none.
    """

    def __init__(self, url: str, read_url: str, *, statement_timeout_seconds: float = 10) -> None:
        timeouts = {
            "statement_timeout": f"{int(statement_timeout_seconds * 1000)}ms",
            "idle_in_transaction_session_timeout": f"{IDLE_SECONDS}s",
        }
        self._kinds = {
            "read": (url, timeouts | READ_SETTINGS),
            "replica": (read_url, timeouts | READ_SETTINGS),
            "write": (url, timeouts),
        }
        self.replica = Replica(read_url) if read_url != url else None
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
                lambda marts: _begun(self._take(stack), marts),
            )

    @contextmanager
    def snapshot(self) -> Generator[Primary]:
        """One read-only transaction with one snapshot on the primary server, without the marts: for
        what must answer before they are built, and for what was written a moment ago."""
        with self._connection("write") as connection:
            connection.execute(_BEGIN_READING + connection.settings)
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
            connection.execute(_BEGIN_WRITING + connection.settings)
            yield connection

    def gives_up_replica(self, error: Exception) -> bool:
        """Whether the request that failed by this error read from the replica, which failed it and
        no other server: from now on it reads from the primary."""
        if self.replica is None or not has_request_context() or not g.pop("reads_replica", False):
            return False
        # Its session may have been ended for a change that it has to apply, or have seen tables of
        # another version: it goes on serving others.
        if isinstance(error, psycopg.OperationalError) and not isinstance(error, _OF_REPLICAS):
            self.replica.note(error)
        g.avoids_replica = True
        return True

    def close(self) -> None:
        """Close the pools of this process; the next use opens them again."""
        if self.replica:
            self.replica.close()
        with self._lock:
            own = [key for key in self._pools if key[0] == os.getpid()]
            for key in own:
                self._pools.pop(key).close()

    def _take(self, stack: ExitStack) -> Primary:
        """A connection to read by, until the stack ends."""
        avoids = has_request_context() and g.get("avoids_replica", False)
        if self.replica is None or self.replica.is_away or avoids:
            return stack.enter_context(self._connection("read"))
        failures = self._failures("replica")
        try:
            try:
                connection = stack.enter_context(self._connection("replica", TIMEOUT_SECONDS))
            except PoolTimeout:
                if self._failures("replica") > failures:
                    raise
                # It is busy: who waits for it goes on to wait.
                connection = stack.enter_context(self._connection("replica"))
        except PoolTimeout as error:
            if self._failures("replica") == failures:
                raise
            self.replica.note(error)
            return stack.enter_context(self._connection("read"))
        if has_request_context():
            g.reads_replica = True
        return connection

    def _failures(self, kind: str) -> int:
        """How often this process could not connect."""
        return self._pool(kind).get_stats().get("connections_errors", 0)

    @contextmanager
    def _connection(
        self, kind: str, timeout_seconds: float = POOL_TIMEOUT_SECONDS
    ) -> Generator[Primary]:
        with self._pool(kind).connection(timeout=timeout_seconds) as connection:
            yield connection

    def _pool(self, kind: str) -> ConnectionPool[Primary]:
        key = (os.getpid(), kind)
        with self._lock:
            if key not in self._pools:
                url, settings = self._kinds[kind]
                pool = database.pool(
                    url,
                    max_size=POOL_SIZE,
                    settings=settings,
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
    statements = _BEGIN_READING + connection.settings + _holding(marts)
    cursor = connection.execute(statements, prepare=False)
    while cursor.nextset():
        pass
    (row,) = cursor.fetchall()
    if row["unbuilt"]:
        raise NotBuiltError(", ".join(row["unbuilt"]))
    return connection, row["snapshot"]


@cache
def _holding(marts: tuple[str, ...]) -> bytes:
    statement = sql.SQL(_HOLD).format(
        tables=sql.SQL(", ").join(sql.Identifier("marts", name) for name in (*marts, *BOOKKEEPING)),
        marts=sql.SQL(", ").join(map(sql.Literal, marts)),
        snapshot=database.SNAPSHOT,
    )
    return statement.as_bytes()


def current_database() -> Database:
    """The database of the application that answers now."""
    extension: Any = current_app.extensions["database"]
    return cast(Database, extension)
