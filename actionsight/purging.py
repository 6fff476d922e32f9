"""Purging: the end of all rows of a repository that is no longer monitored."""

import time
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import Connection, sql
from psycopg.errors import LockNotAvailable
from psycopg.rows import class_row, scalar_row

from actionsight import audit
from actionsight.locks import BUILD_LOCK, LOADING_LOCK, LOOP_LOCKS, WEBHOOK_LOCK
from actionsight.repositories import delete_repository
from actionsight.shards import SLOTS

WAIT_SECONDS = 8
# So long a request waits for what is under way, and so long, in minutes, for its next try.
PATIENCE_SECONDS = 600
PAUSE_MINUTES = 5


class BusyError(Exception):
    """Something is under way that could bring the rows back; nothing was deleted."""


@dataclass(frozen=True)
class Request:
    """A row of app.purges: who asked for the deletion, by which token (None: by a session)."""

    repository_id: int
    full_name: str
    requested_by: int | None
    token_id: int | None


def requested(connection: Connection[Any]) -> list[Request]:
    """What is to be purged now, in the order of the requests.

    One that a killed process had begun with is among them; one that failed has a pause.
    """
    with connection.cursor(row_factory=class_row(Request)) as cursor:
        return cursor.execute(
            """
            select repository_id, full_name, requested_by, token_id
            from app.purges
            where completed_at is null
                and (error is null or started_at < now() - make_interval(mins => %s))
            order by requested_at, repository_id
            """,
            [PAUSE_MINUTES],
        ).fetchall()


def fulfil(
    connection: Connection[Any],
    request: Request,
    *,
    patience_seconds: float = PATIENCE_SECONDS,
) -> None:
    """Purge what was requested, and note it; the connection commits by itself.

    A repository that was added since the request stays, and the request ends with its `error`.

    Raises:
        BusyError: what was under way did not end in time; it is `error`, and the request stays.
        psycopg.Error: the same of what PostgreSQL refused.
    """
    connection.execute(
        """
        update app.purges set started_at = clock_timestamp(), error = null
        where repository_id = %s and completed_at is null
        """,
        [request.repository_id],
    )
    deadline = time.monotonic() + patience_seconds
    try:
        while True:
            try:
                _fulfil_once(connection, request)
                return
            except BusyError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(1)
    except (BusyError, psycopg.Error) as error:
        connection.execute(
            "update app.purges set error = %s where repository_id = %s and completed_at is null",
            [str(error), request.repository_id],
        )
        raise


def _fulfil_once(connection: Connection[Any], request: Request) -> None:
    with connection.transaction():
        ended = connection.execute(
            """
            update app.purges set
                completed_at = clock_timestamp(),
                error = 'it was added again after the request: its data stays'
            where repository_id = %s and completed_at is null and exists (
                select from app.repositories
                where repositories.repository_id = purges.repository_id
                    and (removed_at is null or added_at > requested_at)
            )
            """,
            [request.repository_id],
        ).rowcount
        if ended:
            return
        purge_repository(connection, request.repository_id)
        audit.record(
            connection,
            "repository.purged",
            user_id=request.requested_by,
            token_id=request.token_id,
            repository_id=request.repository_id,
            full_name=request.full_name,
        )


def purge_repository(connection: Connection[Any], repository_id: int) -> None:
    """Delete all rows of a repository from raw, marts and app, in the caller's transaction.

    Three things stay: the audit log, the request for it, which ends, and the name in
    app.repository_selections, removed, so that a setting that still lists it does not bring it
    back. While no collection, drain or model is under
    way nobody has rows of it in hand, so that no later build finds any.

    Raises:
        BusyError: a collection is under way, or a build's model or a drain for more than 8 seconds.
        ValueError: it is monitored.
    """
    _take_locks(connection)
    with connection.cursor(row_factory=scalar_row) as cursor:
        # Whoever adds it again meanwhile waits, and adds it anew.
        removed_at = cursor.execute(
            "select removed_at from app.repositories where repository_id = %s for update",
            [repository_id],
        ).fetchall()
        if removed_at == [None]:
            raise ValueError("a repository that is monitored cannot be purged")
        # Foreign keys between the marts cascade, so the order does not matter.
        tables = cursor.execute(
            """
            select table_schema || '.' || table_name
            from information_schema.columns
            inner join information_schema.tables using (table_schema, table_name)
            where column_name = 'repository_id'
                and table_type = 'BASE TABLE'
                and (
                    table_schema in ('raw', 'intermediate', 'marts')
                    or table_schema like 'raw\\_staging\\_%'
                )
                and (table_schema, table_name) != ('marts', 'data_versions')
                -- A partition's rows go with its table's; retention may drop it meanwhile.
                and not exists (
                    select from pg_class
                    where pg_class.oid = format('%I.%I', table_schema, table_name)::regclass
                        and relispartition
                )
            """
        ).fetchall()
        is_built = cursor.execute(
            "select to_regclass('marts.data_versions') is not null"
        ).fetchone()
    for table in tables:
        connection.execute(
            sql.SQL("delete from {} where repository_id = %s").format(
                sql.Identifier(*table.split(".", 1))
            ),
            [repository_id],
        )
    if is_built:
        # Were it monitored again, answers that were cached before must not be found.
        connection.execute(
            """
            update marts.data_versions set version = version + 1, changed_at = clock_timestamp()
            where repository_id = %s
            """,
            [repository_id],
        )
    delete_repository(connection, repository_id)
    connection.execute(
        """
        update app.purges set completed_at = clock_timestamp(), error = null
        where repository_id = %s and completed_at is null
        """,
        [repository_id],
    )


def _take_locks(connection: Connection[Any]) -> None:
    """Of collection and drain, which would bring deleted rows back, and of the models."""
    connection.execute("select set_config('lock_timeout', %s, true)", [f"{WAIT_SECONDS}s"])
    with connection.cursor(row_factory=scalar_row) as cursor:
        cursor.execute(
            """
            select
                pg_try_advisory_xact_lock(%s)
                and bool_and(pg_try_advisory_xact_lock(number, slot))
            from unnest(%s::int[]) as number
            cross join generate_series(0, %s - 1) as slot
            """,
            [LOADING_LOCK, list({number for _, number in LOOP_LOCKS.values()}), SLOTS],
        )
        if cursor.fetchone() is not True:
            raise BusyError("a collection is under way")
    try:
        connection.execute("select pg_advisory_xact_lock(%s)", [WEBHOOK_LOCK])
        connection.execute("select pg_advisory_xact_lock(hashtext(%s), hashtext(%s))", BUILD_LOCK)
    except LockNotAvailable:
        raise BusyError("a build or a drain is under way") from None
