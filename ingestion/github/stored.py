"""What the raw tables hold and what they still lack: open runs, attempts and jobs that are owed.

Every function takes the cycle's own connection (autocommit), which also holds the lock.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection, sql
from psycopg.rows import class_row

from ingestion.github.schema import CONTENT_HASH, LOAD_ID, Table

Attempt = tuple[int, int]


@dataclass(frozen=True)
class OpenRun:
    """A run whose newest stored attempt is not final."""

    run_id: int
    run_attempt: int
    created_at: datetime | None


@dataclass(frozen=True)
class OwedAttempt:
    """A completed attempt whose jobs are not listed as of its `updated_at`.

    `unsettled_since`: when its jobs were first listed, if some of them had not completed then.
    """

    run_id: int
    run_attempt: int
    repository_id: int
    updated_at: datetime | None
    unsettled_since: datetime | None


@dataclass(frozen=True)
class JobListing:
    """The jobs of an attempt were listed; unless settled, they are to be listed again."""

    attempt: OwedAttempt
    total_count: int
    row_count: int
    is_settled: bool


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


def newest_load_id(connection: Connection[Any], table: Table) -> str | None:
    """The load that changed a table last; None while it is empty."""
    query = sql.SQL("select max({load_id}) from {table}").format(
        load_id=sql.Identifier(LOAD_ID), table=sql.Identifier("raw", table.name)
    )
    [(load_id,)] = connection.execute(query).fetchall()
    return None if load_id is None else str(load_id)


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
            select
                run_id,
                run_attempt,
                attempt.repository_id,
                attempt.updated_at,
                case when listing.run_updated_at is null then listing.listed_at end
                    as unsettled_since
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
                listed_at = case
                    when coalesce(listing.run_updated_at, excluded.run_updated_at) is null
                        then listing.listed_at
                    else excluded.listed_at
                end,
                total_count = excluded.total_count,
                row_count = excluded.row_count
            """,
            [
                (
                    listing.attempt.run_id,
                    listing.attempt.run_attempt,
                    listing.attempt.repository_id,
                    listing.attempt.updated_at if listing.is_settled else None,
                    listed_at,
                    listing.total_count,
                    listing.row_count,
                )
                for listing in listings
            ],
        )
