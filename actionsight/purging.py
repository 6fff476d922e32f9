"""Purging: the end of all rows of a repository that is no longer monitored."""

from typing import Any

from psycopg import Connection
from psycopg.errors import LockNotAvailable
from psycopg.rows import scalar_row

from actionsight.locks import LOADING_LOCK, LOOP_LOCKS, WEBHOOK_LOCK

# Children first. A mart that is new and missing here keeps its parents' rows from going, and fails.
MARTS = (
    "jobs",
    "workflow_statistics_by_day",
    "collection_health_by_day",
    "workflow_runs",
    "workflow_run_attempts",
    "workflows",
    "repositories",
)

WAIT_SECONDS = 8
MOST_SECONDS = 600


class BusyError(Exception):
    """Something is under way that could bring the rows back; nothing was deleted."""


def purge_repository(connection: Connection[Any], repository_id: int) -> None:
    """Delete all rows of a repository from raw, marts and app, in the caller's transaction.

    Two things stay: the audit log, and the name in app.repository_selections, removed, so that a
    setting that still lists it does not bring it back. While no collection, drain or model is under
    way nobody has rows of it in hand, so that no later build finds any.

    Raises:
        BusyError: a collection is under way, or a build's model or a drain for more than 8 seconds.
        ValueError: it is monitored.
    """
    with connection.cursor(row_factory=scalar_row) as cursor:
        _take_locks(connection)
        is_monitored = cursor.execute(
            """
            select exists (
                select from app.repositories where repository_id = %s and removed_at is null
            )
            """,
            [repository_id],
        ).fetchone()
        if is_monitored:
            raise ValueError("a repository that is monitored cannot be purged")
    connection.execute("select app.delete_rows_of_repository(%s, %s)", [repository_id, list(MARTS)])
    connection.execute(
        """
        update app.repository_selections set
            repository_id = null, removed_at = coalesce(removed_at, now())
        where repository_id = %s
        """,
        [repository_id],
    )
    connection.execute("delete from app.repositories where repository_id = %s", [repository_id])


def _take_locks(connection: Connection[Any]) -> None:
    """Of collection and drain, which would bring deleted rows back, and of the models."""
    connection.execute("select set_config('lock_timeout', %s, true)", [f"{WAIT_SECONDS}s"])
    connection.execute("select set_config('statement_timeout', %s, true)", [f"{MOST_SECONDS}s"])
    with connection.cursor(row_factory=scalar_row) as cursor:
        for number in {LOADING_LOCK, *(number for _, number in LOOP_LOCKS.values())}:
            cursor.execute("select pg_try_advisory_xact_lock(%s)", [number])
            if cursor.fetchone() is not True:
                raise BusyError("a collection is under way")
    try:
        connection.execute("select pg_advisory_xact_lock(%s)", [WEBHOOK_LOCK])
        # As transform's macro take_turn names it.
        connection.execute(
            "select pg_advisory_xact_lock(hashtext('actionsight dbt'), hashtext('build'))"
        )
    except LockNotAvailable:
        raise BusyError("a build or a drain is under way") from None
