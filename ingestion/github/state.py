"""What collection remembers, in PostgreSQL: who is monitored, cursors, what is owed, what was done.

Every function takes the cycle's own connection (autocommit), which also holds the lock.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Connection, sql
from psycopg.rows import class_row

from ingestion.github.schema import CONTENT_HASH, LOAD_ID, Row, Table

# Any number that nobody else takes: "AS", 1.
COLLECTION_LOCK = 0x4153_0001

Attempt = tuple[int, int]


@dataclass(frozen=True)
class Repository:
    """A monitored repository and how far its runs are collected."""

    repository_id: int
    full_name: str
    head_cursor: datetime | None
    backfilled_from: datetime | None


@dataclass
class Poll:
    """A row of raw.polls: what one loop did for one repository; `ended_at` stays null on error."""

    poll_id: UUID
    repository_id: int
    loop: str
    started_at: datetime
    ended_at: datetime | None = None
    seen: int = 0
    changed: int = 0
    request_count: int = 0
    load_ids: list[str] = field(default_factory=list)
    error: str | None = None


@dataclass(frozen=True)
class OpenRun:
    """A run whose newest stored attempt is not final."""

    run_id: int
    run_attempt: int
    created_at: datetime | None


@dataclass(frozen=True)
class OwedAttempt:
    """A completed attempt whose jobs are not listed as of its `updated_at`."""

    run_id: int
    run_attempt: int
    repository_id: int
    updated_at: datetime | None


@dataclass(frozen=True)
class JobListing:
    """The jobs of an attempt were listed, completely."""

    attempt: OwedAttempt
    total_count: int
    row_count: int


def unresolved_selections(connection: Connection[Any]) -> list[str]:
    """Names that the operator selected and GitHub has not yet given an id for."""
    rows = connection.execute(
        """
        select name from app.repository_selections
        where repository_id is null and removed_at is null and name not like '%/*'
        order by added_at, name
        """
    ).fetchall()
    return [name for (name,) in rows]


def resolve_selection(
    connection: Connection[Any], name: str, repository_id: int, full_name: str, visibility: str
) -> None:
    """Note GitHub's id of a selection; from now on the repository is monitored."""
    with connection.transaction():
        connection.execute(
            """
            insert into app.repositories (repository_id, full_name, visibility)
            values (%s, %s, %s)
            on conflict (repository_id) do update set
                full_name = excluded.full_name, visibility = excluded.visibility, removed_at = null
            """,
            [repository_id, full_name, visibility],
        )
        connection.execute(
            """
            update app.repository_selections set repository_id = %s, last_error = null
            where name = %s
            """,
            [repository_id, name],
        )


def refuse_selection(connection: Connection[Any], name: str, error: str) -> None:
    """Note why a selection could not be resolved; the next poll tries again."""
    connection.execute(
        "update app.repository_selections set last_error = %s where name = %s", [error, name]
    )


def monitored(connection: Connection[Any]) -> list[Repository]:
    """All monitored repositories, by name."""
    with connection.cursor(row_factory=class_row(Repository)) as cursor:
        cursor.execute(
            """
            select repository_id, full_name, head_cursor, backfilled_from
            from app.repositories where removed_at is null order by lower(full_name)
            """
        )
        return cursor.fetchall()


def update_repository(
    connection: Connection[Any], repository_id: int, full_name: str, visibility: str
) -> None:
    """Save a repository's present name and visibility."""
    connection.execute(
        """
        update app.repositories set full_name = %(name)s, visibility = %(visibility)s
        where repository_id = %(id)s and (full_name, visibility) <> (%(name)s, %(visibility)s)
        """,
        {"id": repository_id, "name": full_name, "visibility": visibility},
    )


def hide_repository(connection: Connection[Any], repository_id: int) -> None:
    """Treat a repository that cannot be read any more as private: it may have been made so."""
    connection.execute(
        "update app.repositories set visibility = 'private' where repository_id = %s",
        [repository_id],
    )


def save_trouble(connection: Connection[Any], repository_id: int, error: str | None) -> None:
    """Set the last error of a repository's collection, or clear it."""
    connection.execute(
        """
        update app.repositories set
            trouble = %(error)s,
            trouble_since = case
                when %(error)s::text is not null then coalesce(trouble_since, now())
            end
        where repository_id = %(id)s and trouble is distinct from %(error)s
        """,
        {"id": repository_id, "error": error},
    )


def save_backfill(
    connection: Connection[Any],
    repository_id: int,
    backfilled_from: datetime,
    head_cursor: datetime,
) -> None:
    """Runs are complete from `backfilled_from` on; the head's cursor is never moved back."""
    connection.execute(
        """
        update app.repositories set
            backfilled_from = least(backfilled_from, %s),
            head_cursor = greatest(head_cursor, %s)
        where repository_id = %s
        """,
        [backfilled_from, head_cursor, repository_id],
    )


def save_head_cursor(connection: Connection[Any], repository_id: int, cursor: datetime) -> None:
    """Move the head's cursor forward."""
    connection.execute(
        """
        update app.repositories set head_cursor = greatest(head_cursor, %s) where repository_id = %s
        """,
        [cursor, repository_id],
    )


def save_poll(connection: Connection[Any], poll: Poll) -> None:
    """Insert the row of a loop, or bring it up to date."""
    connection.execute(
        """
        insert into raw.polls (
            poll_id, repository_id, loop, started_at, ended_at,
            seen, changed, request_count, load_ids, error
        ) values (
            %(poll_id)s, %(repository_id)s, %(loop)s, %(started_at)s, %(ended_at)s,
            %(seen)s, %(changed)s, %(request_count)s, %(load_ids)s, %(error)s
        )
        on conflict (poll_id, repository_id, loop) do update set
            ended_at = excluded.ended_at,
            seen = excluded.seen,
            changed = excluded.changed,
            request_count = excluded.request_count,
            load_ids = excluded.load_ids,
            error = excluded.error
        """,
        vars(poll),
    )


def troubles_of_poll(connection: Connection[Any], poll_id: UUID) -> dict[int, str]:
    """Errors by repository id that a cycle has met so far."""
    rows = connection.execute(
        "select repository_id, error from raw.polls where poll_id = %s and error is not null",
        [poll_id],
    ).fetchall()
    return dict(rows)


def stored_hashes(
    connection: Connection[Any], table: Table, keys: Iterable[tuple[int, ...]]
) -> dict[tuple[int, ...], str]:
    """The content hashes of those rows that are stored, by key."""
    columns = list(zip(*keys, strict=True))
    query = sql.SQL(
        "select {key}, {hash} from {table} where ({key}) in (select * from unnest({arrays}))"
    ).format(
        key=sql.SQL(", ").join(map(sql.Identifier, table.key)),
        hash=sql.Identifier(CONTENT_HASH),
        table=sql.Identifier("raw", table.name),
        arrays=sql.SQL(", ").join([sql.SQL("%s::bigint[]")] * len(table.key)),
    )
    rows = connection.execute(query, [list(column) for column in columns]).fetchall()
    return {row[:-1]: row[-1] for row in rows}


def changed_by_load(connection: Connection[Any], table: Table, load_id: str) -> dict[int, int]:
    """How many rows of each repository a load inserted or changed."""
    query = sql.SQL(
        "select repository_id, count(*) from {table} where {load_id} = %s group by repository_id"
    ).format(table=sql.Identifier("raw", table.name), load_id=sql.Identifier(LOAD_ID))
    return dict(connection.execute(query, [load_id]).fetchall())


def open_runs(connection: Connection[Any], repository_id: int) -> list[OpenRun]:
    """Runs whose newest stored attempt can still change, newest first."""
    cursor = connection.cursor(row_factory=class_row(OpenRun))
    return cursor.execute(
        """
        select run_id, run_attempt, created_at from raw.workflow_runs as attempt
        where repository_id = %s
            and (status is distinct from 'completed' or conclusion = 'action_required')
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
        [repository_id],
    ).fetchall()


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
    with connection.cursor() as cursor:
        cursor.executemany(
            """
            insert into raw.missing_attempts (
                run_id, run_attempt, repository_id, noted_at, status_code
            ) values (%s, %s, %s, %s, %s)
            on conflict do nothing
            """,
            [(*attempt, repository_id, noted_at, status) for attempt, status in attempts],
        )


def owed_attempts(
    connection: Connection[Any], repository_ids: Collection[int]
) -> list[OwedAttempt]:
    """Completed attempts whose jobs are to be listed, of the newest day first."""
    with connection.cursor(row_factory=class_row(OwedAttempt)) as cursor:
        cursor.execute(
            """
            select run_id, run_attempt, attempt.repository_id, attempt.updated_at
            from raw.workflow_runs as attempt
            left join raw.job_listings as listing using (run_id, run_attempt)
            where attempt.repository_id = any(%s)
                and attempt.status = 'completed'
                and (
                    listing.run_id is null
                    or listing.run_updated_at is distinct from attempt.updated_at
                )
                and not exists (
                    select from raw.missing_attempts as missing
                    where missing.run_id = attempt.run_id
                        and missing.run_attempt = attempt.run_attempt
                )
            order by date_trunc('day', attempt.created_at) desc, run_id desc, run_attempt
            """,
            [list(repository_ids)],
        )
        return cursor.fetchall()


def save_job_listings(
    connection: Connection[Any], listings: Iterable[JobListing], listed_at: datetime
) -> None:
    """Note that the jobs of these attempts were listed and their load has committed."""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(
            """
            insert into raw.job_listings as listing (
                run_id, run_attempt, repository_id, run_updated_at, listed_at,
                total_count, row_count
            ) values (%s, %s, %s, %s, %s, %s, %s)
            on conflict (run_id, run_attempt) do update set
                run_updated_at = excluded.run_updated_at,
                listed_at = excluded.listed_at,
                total_count = excluded.total_count,
                row_count = excluded.row_count
            """,
            [
                (
                    listing.attempt.run_id,
                    listing.attempt.run_attempt,
                    listing.attempt.repository_id,
                    listing.attempt.updated_at,
                    listed_at,
                    listing.total_count,
                    listing.row_count,
                )
                for listing in listings
            ],
        )


def still_monitored(connection: Connection[Any], repository_ids: Collection[int]) -> set[int]:
    """Which of these repositories nobody has removed meanwhile."""
    rows = connection.execute(
        """
        select repository_id from app.repositories
        where repository_id = any(%s) and removed_at is null
        """,
        [list(repository_ids)],
    ).fetchall()
    return {repository_id for (repository_id,) in rows}


def unchanged(stored: dict[tuple[int, ...], str], key: tuple[int, ...], row: Row) -> bool:
    """Whether a row is stored exactly so."""
    return stored.get(key) == str(row[CONTENT_HASH])
