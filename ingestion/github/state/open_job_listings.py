"""Attempts under way, and how their jobs were listed last: raw.open_job_listings."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

from ingestion.github.state.runs import Attempt


@dataclass(frozen=True)
class OpenAttempt:
    """A run's newest attempt that has not completed, and how its jobs were listed last, if they
    were: `changed_at`: when something of it was seen to change; `jobs_hash`: stands for the jobs.
    """

    repository_id: int
    workflow_id: int
    run_id: int
    run_attempt: int
    status: str | None
    began_at: datetime | None
    updated_at: datetime | None
    jobs_hash: str | None
    changed_at: datetime | None
    path: str | None
    token_key: str | None
    etag: str | None

    @property
    def key(self) -> Attempt:
        """The key of its row."""
        return self.run_id, self.run_attempt


@dataclass(frozen=True)
class OpenJobListing:
    """The jobs of an open attempt were listed; if it does not change, again from `next_at` on."""

    attempt: OpenAttempt
    jobs_hash: str | None
    changed_at: datetime
    next_at: datetime
    path: str
    token_key: str
    etag: str | None


def due_open_attempts(
    connection: Connection[Any],
    repository_ids: Collection[int],
    now: datetime,
    begun_since: datetime | None,
) -> list[OpenAttempt]:
    """Open attempts whose jobs are to be listed: what changed since, what has waited long enough,
    and, if given, all that began since then; newest first."""
    cursor = connection.cursor(row_factory=class_row(OpenAttempt))
    return cursor.execute(
        """
        select
            attempt.repository_id,
            attempt.workflow_id,
            attempt.run_id,
            attempt.run_attempt,
            attempt.status,
            greatest(attempt.created_at, attempt.run_started_at) as began_at,
            attempt.updated_at,
            listing.jobs_hash,
            listing.changed_at,
            listing.path,
            listing.token_key,
            listing.etag
        from raw.workflow_runs as attempt
        left join raw.open_job_listings as listing using (run_id, run_attempt)
        where attempt.repository_id = any(%(repositories)s)
            -- As the index knows it; what has completed is not open here.
            and (
                attempt.status is distinct from 'completed'
                or attempt.conclusion = 'action_required'
            )
            and attempt.status is distinct from 'completed'
            and attempt.gone_at is null
            and (
                listing.run_id is null
                or listing.next_at <= %(now)s
                or (listing.run_status, listing.run_updated_at)
                    is distinct from (attempt.status, attempt.updated_at)
                or greatest(attempt.created_at, attempt.run_started_at) >= %(begun_since)s
            )
            and not exists (
                select from raw.workflow_runs as later
                where later.run_id = attempt.run_id and later.run_attempt > attempt.run_attempt
            )
            and not exists (
                select from raw.missing_attempts as missing
                where missing.run_id = attempt.run_id and missing.run_attempt = attempt.run_attempt
            )
        order by began_at desc nulls last, attempt.run_id desc
        """,
        {"repositories": list(repository_ids), "now": now, "begun_since": begun_since},
    ).fetchall()


def save_open_listings(connection: Connection[Any], listings: Collection[OpenJobListing]) -> None:
    """Note that the jobs of these attempts are stored as they were listed."""
    connection.cursor().executemany(
        """
        insert into raw.open_job_listings (
            run_id, run_attempt, repository_id, run_status, run_updated_at, jobs_hash, changed_at,
            next_at, path, token_key, etag
        ) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
        on conflict (run_id, run_attempt) do update set
            run_status = excluded.run_status,
            run_updated_at = excluded.run_updated_at,
            jobs_hash = excluded.jobs_hash,
            changed_at = excluded.changed_at,
            next_at = excluded.next_at,
            path = excluded.path,
            token_key = excluded.token_key,
            etag = excluded.etag
        """,
        [
            (
                listing.attempt.run_id,
                listing.attempt.run_attempt,
                listing.attempt.repository_id,
                listing.attempt.status,
                listing.attempt.updated_at,
                listing.jobs_hash,
                listing.changed_at,
                listing.next_at,
                listing.path,
                listing.token_key,
                listing.etag,
            )
            for listing in listings
        ],
    )


def forget_open_listings(connection: Connection[Any], repository_ids: Collection[int]) -> None:
    """Forget how the jobs of attempts were listed that are not open any more."""
    connection.execute(
        """
        delete from raw.open_job_listings as listing
        where repository_id = any(%s)
            and not exists (
                select from raw.workflow_runs as attempt
                where attempt.run_id = listing.run_id
                    and attempt.run_attempt = listing.run_attempt
                    and attempt.status is distinct from 'completed'
                    and attempt.gone_at is null
            )
        """,
        [list(repository_ids)],
    )
