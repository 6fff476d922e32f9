"""What the raw tables hold and what they still lack: open runs, attempts and jobs that are owed.

Every function takes the cycle's own connection (autocommit), which also holds the lock.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection, sql
from psycopg.rows import class_row, dict_row

from ingestion.github.schema import (
    CONTENT_HASH,
    GONE_AT,
    LOAD_ID,
    WORKFLOW_JOBS,
    WORKFLOW_RUNS,
    Column,
    Row,
    Table,
)

Attempt = tuple[int, int]


@dataclass(frozen=True)
class OpenRun:
    """A run whose newest stored attempt is not final; it has not changed since `changed_at`."""

    repository_id: int
    run_id: int
    run_attempt: int
    created_at: datetime | None
    changed_at: datetime | None


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

    @property
    def key(self) -> Attempt:
        """The key of its row."""
        return self.run_id, self.run_attempt


@dataclass(frozen=True)
class JobListing:
    """The jobs of an attempt were listed; unless settled, they are to be listed again.

    `is_told`: not by GitHub, but by what webhooks told.
    """

    attempt: OwedAttempt
    total_count: int
    row_count: int
    is_settled: bool
    is_told: bool = False


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


def stored_states(
    connection: Connection[Any], table: Table, keys: Iterable[tuple[int, ...]]
) -> dict[tuple[int, ...], dict[str, Any]]:
    """Content hash and the columns that order states, of those rows that are stored, by key."""
    columns = list(zip(*keys, strict=True))
    query = sql.SQL(
        "select {columns} from {table} where ({key}) in (select * from unnest({arrays}))"
    ).format(
        columns=sql.SQL(", ").join(
            map(sql.Identifier, [*table.key, CONTENT_HASH, *table.order_columns])
        ),
        key=sql.SQL(", ").join(map(sql.Identifier, table.key)),
        table=sql.Identifier("raw", table.name),
        arrays=sql.SQL(", ").join([sql.SQL("%s::bigint[]")] * len(table.key)),
    )
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(query, [list(column) for column in columns]).fetchall()
    return {table.key_of(row): row for row in rows}


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


def told_runs(connection: Connection[Any], since: Mapping[int, datetime]) -> list[OpenRun]:
    """Runs of which webhooks told an attempt that no poll has seen end, newest first.

    Such are re-runs of old runs, which no listing of new ones shows.

    Args:
        since: from when on what was drained counts, by repository; however late it was drained.
    """
    cursor = connection.cursor(row_factory=class_row(OpenRun))
    return cursor.execute(
        """
        select
            told.repository_id,
            told.run_id,
            max(told.run_attempt) as run_attempt,
            min(told.created_at) as created_at,
            -- Just told, so it has just changed.
            null::timestamptz as changed_at
        from raw.webhook_batches as batches
        inner join raw.webhook_runs as told using (batch_id)
        inner join unnest(%(ids)s::bigint[], %(since)s::timestamptz[])
            as wanted (repository_id, since) using (repository_id)
        where batches.drained_at >= %(oldest)s
            and batches.drained_at >= wanted.since
            and not exists (
                select from raw.workflow_runs as polled
                where polled.run_id = told.run_id and polled.run_attempt >= told.run_attempt
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
                where missing.run_id = told.run_id and missing.run_attempt = told.run_attempt
            )
        group by told.repository_id, told.run_id
        order by told.run_id desc
        """,
        {
            "ids": list(since.keys()),
            "since": list(since.values()),
            "oldest": min(since.values(), default=None),
        },
    ).fetchall()


def last_ended(
    connection: Connection[Any], repository_ids: Collection[int], loop: str, oldest: datetime
) -> dict[int, datetime]:
    """When each repository's newest turn of a loop that ended well began, if after `oldest`."""
    rows = connection.execute(
        """
        select wanted.repository_id, newest.started_at
        from unnest(%s::bigint[]) as wanted (repository_id)
        cross join lateral (
            select started_at from raw.polls
            where polls.repository_id = wanted.repository_id and started_at > %s
                and loop = %s and ended_at is not null
            order by started_at desc
            limit 1
        ) as newest
        """,
        [list(repository_ids), oldest, loop],
    ).fetchall()
    return dict(rows)


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


def known_workflows(connection: Connection[Any], workflow_ids: Collection[int]) -> set[int]:
    """Which of these workflows are stored."""
    rows = connection.execute(
        "select workflow_id from raw.workflows where workflow_id = any(%s)", [list(workflow_ids)]
    ).fetchall()
    return {workflow_id for (workflow_id,) in rows}


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


def stored_rows(
    connection: Connection[Any], table: Table, keys: Iterable[tuple[int, ...]]
) -> dict[tuple[int, ...], Row]:
    """The stored rows of these keys, as payloads would give them, by key."""
    columns = list(zip(*keys, strict=True))
    query = sql.SQL(
        "select {columns} from {table} where ({key}) in (select * from unnest({arrays}))"
    ).format(
        columns=_as_payloads(table.columns),
        table=sql.Identifier("raw", table.name),
        key=sql.SQL(", ").join(map(sql.Identifier, table.key)),
        arrays=sql.SQL(", ").join([sql.SQL("%s::bigint[]")] * len(table.key)),
    )
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(query, [list(column) for column in columns]).fetchall()
    return {table.key_of(row): row for row in rows}


def rows_of_runs(connection: Connection[Any], run_ids: Collection[int]) -> list[Row]:
    """The rows of all stored attempts of runs, as payloads would give them."""
    query = sql.SQL("select {} from raw.workflow_runs where run_id = any(%s)").format(
        _as_payloads(WORKFLOW_RUNS.columns)
    )
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, [list(run_ids)]).fetchall()


def job_rows(connection: Connection[Any], job_ids: Collection[int]) -> list[Row]:
    """The rows of stored jobs, as payloads would give them."""
    if not job_ids:
        return []
    query = sql.SQL("select {} from raw.workflow_jobs where job_id = any(%s)").format(
        _as_payloads(WORKFLOW_JOBS.columns)
    )
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, [list(job_ids)]).fetchall()


def told_job_rows(connection: Connection[Any], job_ids: Collection[int]) -> list[Row]:
    """The rows of jobs as webhooks told them last, as listings would have given them."""
    if not job_ids:
        return []
    query = sql.SQL(
        "select distinct on (job_id) {} from raw.webhook_jobs where job_id = any(%s) "
        "order by job_id, received_at desc, delivery_id"
    ).format(_as_payloads(WORKFLOW_JOBS.payload_columns))
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(query, [list(job_ids)]).fetchall()
    return [{**row, "run_attempt": row["run_attempt"] or 1, GONE_AT: None} for row in rows]


def _as_payloads(columns: Iterable[Column]) -> sql.Composed:
    """Columns and their hash, JSON as the text in which it travels."""
    return sql.SQL(", ").join(
        [
            *(
                sql.SQL("{}::text").format(sql.Identifier(column.name))
                if column.kind == "json"
                else sql.Identifier(column.name)
                for column in columns
            ),
            sql.Identifier(CONTENT_HASH),
        ]
    )


def jobs_of_attempts(
    connection: Connection[Any], attempts: Collection[Attempt]
) -> list[tuple[Attempt, int]]:
    """Attempt and id of the stored jobs of attempts that are not gone."""
    rows = connection.execute(
        """
        select run_id, run_attempt, job_id
        from unnest(%s::bigint[], %s::bigint[]) as wanted (run_id, run_attempt)
        inner join raw.workflow_jobs using (run_id, run_attempt)
        where gone_at is null
        """,
        [[run_id for run_id, _ in attempts], [number for _, number in attempts]],
    ).fetchall()
    return [((run_id, number), job_id) for run_id, number, job_id in rows]


def told_jobs_of_attempts(
    connection: Connection[Any], attempts: Collection[Attempt]
) -> list[tuple[Attempt, int, datetime]]:
    """Attempt, id and last observation of the jobs that webhooks alone told of attempts."""
    rows = connection.execute(
        """
        select wanted.run_id, wanted.run_attempt, told.job_id, max(told.received_at)
        from unnest(%s::bigint[], %s::bigint[]) as wanted (run_id, run_attempt)
        inner join raw.webhook_jobs as told
            on told.run_id = wanted.run_id
            and coalesce(told.run_attempt, 1) = wanted.run_attempt
        where not exists (select from raw.workflow_jobs as polled where polled.job_id = told.job_id)
        group by wanted.run_id, wanted.run_attempt, told.job_id
        """,
        [[run_id for run_id, _ in attempts], [number for _, number in attempts]],
    ).fetchall()
    return [((run_id, number), job_id, at) for run_id, number, job_id, at in rows]


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


@dataclass(frozen=True)
class Queue:
    """Whose job listings are owed, and of which time: attempts since the head began, or before.

    `after`: the place in the queue (newest first) behind which to go on.
    """

    repository_ids: Collection[int]
    is_history: bool
    now: datetime
    after: tuple[datetime, int] | None = None


def owed_attempts(
    connection: Connection[Any], queue: Queue, limit: int
) -> list[tuple[tuple[datetime, int], list[OwedAttempt]]]:
    """The next runs whose jobs are to be listed, newest first: place in the queue, and all attempts
    that are owed, wherever they stand."""
    with connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute(
            """
            with next as (
                select owed.run_id, owed.began_at
                from raw.owed_job_listings as owed
                inner join app.repositories using (repository_id)
                where owed.repository_id = any(%(repositories)s)
                    and (not_before is null or not_before <= %(now)s)
                    and (not %(is_history)s or owed.began_at < repositories.head_since)
                    and (
                        %(is_history)s
                        or owed.began_at >= coalesce(repositories.head_since, '-infinity')
                    )
                    -- Known to the index alone, which the line above is not.
                    and (%(is_history)s or owed.began_at >= %(since)s)
                    and (
                        %(after_at)s::timestamptz is null
                        or (owed.began_at, owed.run_id) < (%(after_at)s, %(after)s)
                    )
                order by owed.began_at desc, owed.run_id desc
                limit %(limit)s
            ),

            places as (
                select run_id, min(began_at) as began_at from next group by run_id
            )

            select
                places.began_at as place,
                owed.run_id,
                owed.run_attempt,
                owed.repository_id,
                owed.updated_at,
                listing.listed_at as unsettled_since
            from places
            inner join raw.owed_job_listings as owed using (run_id)
            left join raw.job_listings as listing
                on listing.run_id = owed.run_id
                and listing.run_attempt = owed.run_attempt
                and listing.run_updated_at is null
            order by places.began_at desc, owed.run_id desc, owed.run_attempt
            """,
            {
                "repositories": list(queue.repository_ids),
                "is_history": queue.is_history,
                "since": _oldest_head(connection, queue.repository_ids),
                "now": queue.now,
                "after_at": queue.after[0] if queue.after else None,
                "after": queue.after[1] if queue.after else None,
                "limit": limit,
            },
        )
        runs: dict[tuple[datetime, int], list[OwedAttempt]] = {}
        for row in cursor:
            place = (row.pop("place"), row["run_id"])
            runs.setdefault(place, []).append(OwedAttempt(**row))
    return list(runs.items())


def _oldest_head(connection: Connection[Any], repository_ids: Collection[int]) -> datetime | str:
    row = connection.execute(
        """
        select min(head_since) from app.repositories where repository_id = any(%s)
        """,
        [list(repository_ids)],
    ).fetchone()
    return row[0] if row and row[0] else "-infinity"


def owed_count(connection: Connection[Any], queue: Queue) -> int:
    """How many attempts stand in the queue."""
    row = connection.execute(
        """
        select count(*) from raw.owed_job_listings as owed
        inner join app.repositories using (repository_id)
        where owed.repository_id = any(%s)
            and (not_before is null or not_before <= %s)
            and ((owed.began_at < repositories.head_since) is true) = %s
        """,
        [list(queue.repository_ids), queue.now, queue.is_history],
    ).fetchone()
    return int(row[0]) if row else 0


def settle_owed(
    connection: Connection[Any], listings: Collection[JobListing], listed_at: datetime
) -> None:
    """Note that the jobs of these attempts are listed and stored; ask again for the unsettled.

    An attempt that changed meanwhile stays owed. One with jobs that have not completed is listed
    again, the later the longer it lasts.
    """
    with connection.transaction():
        _save_job_listings(connection, listings, listed_at)
        connection.cursor().executemany(
            """
            delete from raw.owed_job_listings
            where run_id = %s and run_attempt = %s and updated_at is not distinct from %s
            """,
            [
                (listing.attempt.run_id, listing.attempt.run_attempt, listing.attempt.updated_at)
                for listing in listings
                if listing.is_settled
            ],
        )
        connection.cursor().executemany(
            """
            update raw.owed_job_listings set not_before = %s
            where run_id = %s and run_attempt = %s
            """,
            [
                (
                    listed_at + (listed_at - (listing.attempt.unsettled_since or listed_at)) / 2,
                    listing.attempt.run_id,
                    listing.attempt.run_attempt,
                )
                for listing in listings
                if not listing.is_settled
            ],
        )


def _save_job_listings(
    connection: Connection[Any], listings: Iterable[JobListing], listed_at: datetime
) -> None:
    connection.cursor().executemany(
        """
        insert into raw.job_listings as listing (
            run_id, run_attempt, repository_id, run_updated_at, listed_at, total_count, row_count,
            is_told
        ) values (%s, %s, %s, %s, %s, %s, %s, %s)
        on conflict (run_id, run_attempt) do update set
            run_updated_at = excluded.run_updated_at,
            listed_at = case
                when coalesce(listing.run_updated_at, excluded.run_updated_at) is null
                    then listing.listed_at
                else excluded.listed_at
            end,
            total_count = excluded.total_count,
            row_count = excluded.row_count,
            is_told = excluded.is_told
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
                listing.is_told,
            )
            for listing in listings
        ],
    )


def owe_told_again(connection: Connection[Any], repository_id: int) -> None:
    """Owe the listings that were left out because webhooks had told the jobs."""
    with connection.transaction():
        connection.execute(
            """
            insert into raw.owed_job_listings (
                run_id, run_attempt, repository_id, began_at, updated_at
            )
            select attempt.run_id, attempt.run_attempt, attempt.repository_id,
                coalesce(greatest(attempt.created_at, attempt.run_started_at), '-infinity'),
                attempt.updated_at
            from raw.job_listings as listing
            inner join raw.workflow_runs as attempt using (run_id, run_attempt)
            where listing.repository_id = %s and listing.is_told and attempt.gone_at is null
            on conflict do nothing
            """,
            [repository_id],
        )
        connection.execute(
            """
            update raw.job_listings set is_told = false, run_updated_at = null
            where repository_id = %s and is_told
            """,
            [repository_id],
        )
