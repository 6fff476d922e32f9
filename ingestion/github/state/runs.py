"""The stored runs and their attempts: which can still change, which are missing at GitHub."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection, sql
from psycopg.rows import class_row, dict_row

from ingestion.github.schema import WORKFLOW_RUNS, Row
from ingestion.github.state.raw_rows import as_payloads

Attempt = tuple[int, int]


@dataclass(frozen=True)
class OpenRun:
    """A run whose newest stored attempt is not final; it has not changed since `changed_at`."""

    repository_id: int
    run_id: int
    run_attempt: int
    created_at: datetime | None
    changed_at: datetime | None


def open_runs(connection: Connection[Any], repository_ids: Collection[int]) -> list[OpenRun]:
    """Runs whose newest stored attempt can still change, newest first."""
    cursor = connection.cursor(row_factory=class_row(OpenRun))
    return cursor.execute(
        """
        select repository_id, run_id, run_attempt, created_at,
            greatest(created_at, run_started_at, updated_at) as changed_at
        from raw.workflow_runs as attempt
        where repository_id = any(%s)
            and (status is distinct from 'completed' or conclusion = 'action_required')
            and gone_at is null
            and not exists (
                select from raw.workflow_runs as later
                where later.run_id = attempt.run_id and later.run_attempt > attempt.run_attempt
            )
            and not exists (
                select from raw.missing_attempts as missing
                where missing.run_id = attempt.run_id and missing.run_attempt = attempt.run_attempt
            )
        order by created_at desc
        """,
        [list(repository_ids)],
    ).fetchall()


def runs_from_webhooks(connection: Connection[Any], since: Mapping[int, datetime]) -> list[OpenRun]:
    """Runs of which webhooks told an attempt that no poll has seen end, newest first.

    Such are re-runs of old runs, which no listing of new ones shows.

    Args:
        since: from when on what was drained counts, by repository; however late it was drained.
    """
    cursor = connection.cursor(row_factory=class_row(OpenRun))
    return cursor.execute(
        """
        select
            observed.repository_id,
            observed.run_id,
            max(observed.run_attempt) as run_attempt,
            min(observed.created_at) as created_at,
            -- Just told, so it has just changed.
            null::timestamptz as changed_at
        from raw.webhook_batches as batches
        inner join raw.webhook_runs as observed using (batch_id)
        inner join unnest(%(ids)s::bigint[], %(since)s::timestamptz[])
            as wanted (repository_id, since) using (repository_id)
        where batches.drained_at >= %(oldest)s
            and batches.drained_at >= wanted.since
            and not exists (
                select from raw.workflow_runs as polled
                where polled.run_id = observed.run_id and polled.run_attempt >= observed.run_attempt
                    and (
                        polled.gone_at is not null
                        or (
                            polled.status = 'completed'
                            and polled.conclusion is distinct from 'action_required'
                        )
                    )
            )
            and not exists (
                select from raw.missing_attempts as missing
                where missing.run_id = observed.run_id
                    and missing.run_attempt = observed.run_attempt
            )
        group by observed.repository_id, observed.run_id
        order by observed.run_id desc
        """,
        {
            "ids": list(since.keys()),
            "since": list(since.values()),
            "oldest": min(since.values(), default=None),
        },
    ).fetchall()


def runs_created(
    connection: Connection[Any], repository_id: int, start: datetime, end: datetime
) -> set[int]:
    """Runs that polls have stored, created from `start` to `end`, and that are not gone."""
    rows = connection.execute(
        """
        select run_id from raw.workflow_runs
        where repository_id = %(id)s
            and run_id in (
                select run_id from raw.workflow_runs
                where repository_id = %(id)s and created_at between %(start)s and %(end)s
                    and gone_at is null
            )
        group by run_id
        having min(created_at) between %(start)s and %(end)s
        """,
        {"id": repository_id, "start": start, "end": end},
    ).fetchall()
    return {run_id for (run_id,) in rows}


def first_created(connection: Connection[Any], repository_id: int) -> datetime | None:
    """When the oldest stored run was created that is not gone."""
    row = connection.execute(
        """
        select created_at from raw.workflow_runs
        where repository_id = %s and gone_at is null and created_at is not null
        order by created_at limit 1
        """,
        [repository_id],
    ).fetchone()
    return row[0] if row else None


def run_count(
    connection: Connection[Any], repository_id: int, after: datetime | None = None
) -> int:
    """How many runs of a repository are stored that are not gone; only those created after then."""
    row = connection.execute(
        """
        select count(distinct run_id) from raw.workflow_runs
        where repository_id = %(id)s and gone_at is null
            and (%(after)s::timestamptz is null or created_at > %(after)s)
        """,
        {"id": repository_id, "after": after},
    ).fetchone()
    return int(row[0]) if row else 0


def rows_of_runs(connection: Connection[Any], run_ids: Collection[int]) -> list[Row]:
    """The rows of all stored attempts of runs, as payloads would give them."""
    query = sql.SQL("select {} from raw.workflow_runs where run_id = any(%s)").format(
        as_payloads(WORKFLOW_RUNS.columns)
    )
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, [list(run_ids)]).fetchall()


def stored_attempts(
    connection: Connection[Any], run_ids: Collection[int]
) -> dict[Attempt, tuple[str, bool]]:
    """Content hash, and whether it is final, of every stored attempt of these runs."""
    rows = connection.execute(
        """
        select run_id, run_attempt, content_hash,
            status = 'completed' and conclusion is distinct from 'action_required'
        from raw.workflow_runs where run_id = any(%s)
        """,
        [list(run_ids)],
    ).fetchall()
    return {(run, attempt): (digest, bool(final)) for run, attempt, digest, final in rows}


def missing_attempts(connection: Connection[Any], run_ids: Collection[int]) -> set[Attempt]:
    """Attempts of these runs that GitHub does not have any more."""
    rows = connection.execute(
        "select run_id, run_attempt from raw.missing_attempts where run_id = any(%s)",
        [list(run_ids)],
    ).fetchall()
    return {(run, attempt) for run, attempt in rows}


def save_missing_attempts(
    connection: Connection[Any],
    repository_id: int,
    attempts: Iterable[tuple[Attempt, int]],
    noted_at: datetime,
) -> None:
    """Note attempts that GitHub does not have, with the status of its answer: never ask again."""
    attempts = list(attempts)
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(
            """
            insert into raw.missing_attempts (
                run_id, run_attempt, repository_id, noted_at, status_code
            ) values (%s, %s, %s, %s, %s)
            on conflict do nothing
            """,
            [(*attempt, repository_id, noted_at, status) for attempt, status in attempts],
        )
        cursor.executemany(
            "delete from raw.owed_job_listings where run_id = %s and run_attempt = %s",
            [attempt for attempt, _ in attempts],
        )
