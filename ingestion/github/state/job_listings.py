"""Completed attempts whose jobs are to be listed: raw.owed_job_listings, raw.job_listings."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row

from ingestion.github.state.runs import Attempt


@dataclass(frozen=True)
class PendingAttempt:
    """A completed attempt whose jobs are not listed as of its `updated_at`.

    `incomplete_since`: when its jobs were first listed, if some of them had not completed then.
    """

    run_id: int
    run_attempt: int
    repository_id: int
    updated_at: datetime | None
    incomplete_since: datetime | None

    @property
    def key(self) -> Attempt:
        """The key of its row."""
        return self.run_id, self.run_attempt


@dataclass(frozen=True)
class JobListing:
    """The jobs of an attempt were listed; unless that was final, they are to be listed again.

    `is_covered`: not by GitHub, but by what webhooks told (the column `is_told`).
    """

    attempt: PendingAttempt
    total_count: int
    row_count: int
    is_final: bool
    is_covered: bool = False


@dataclass(frozen=True)
class JobListingQueue:
    """Whose job listings are owed, and of which time: attempts since the head began, or before.

    `after`: the place in the queue (newest first) behind which to go on.
    """

    repository_ids: Collection[int]
    is_history: bool
    now: datetime
    after: tuple[datetime, int] | None = None


def pending_attempts(
    connection: Connection[Any], queue: JobListingQueue, limit: int
) -> list[tuple[tuple[datetime, int], list[PendingAttempt]]]:
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
                listing.listed_at as incomplete_since
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
        runs: dict[tuple[datetime, int], list[PendingAttempt]] = {}
        for row in cursor:
            place = (row.pop("place"), row["run_id"])
            runs.setdefault(place, []).append(PendingAttempt(**row))
    return list(runs.items())


def _oldest_head(connection: Connection[Any], repository_ids: Collection[int]) -> datetime | str:
    row = connection.execute(
        """
        select min(head_since) from app.repositories where repository_id = any(%s)
        """,
        [list(repository_ids)],
    ).fetchone()
    return row[0] if row and row[0] else "-infinity"


def count_pending(connection: Connection[Any], queue: JobListingQueue) -> int:
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


def save_job_listings(
    connection: Connection[Any], listings: Collection[JobListing], listed_at: datetime
) -> None:
    """Note that the jobs of these attempts are listed and stored; ask again for what was not final.

    An attempt that changed meanwhile stays owed. One with jobs that have not completed is listed
    again, the later the longer it lasts.
    """
    with connection.transaction():
        _upsert_job_listings(connection, listings, listed_at)
        connection.cursor().executemany(
            """
            delete from raw.owed_job_listings
            where run_id = %s and run_attempt = %s and updated_at is not distinct from %s
            """,
            [
                (listing.attempt.run_id, listing.attempt.run_attempt, listing.attempt.updated_at)
                for listing in listings
                if listing.is_final
            ],
        )
        connection.cursor().executemany(
            """
            update raw.owed_job_listings set not_before = %s
            where run_id = %s and run_attempt = %s
            """,
            [
                (
                    listed_at + (listed_at - (listing.attempt.incomplete_since or listed_at)) / 2,
                    listing.attempt.run_id,
                    listing.attempt.run_attempt,
                )
                for listing in listings
                if not listing.is_final
            ],
        )


def _upsert_job_listings(
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
                listing.attempt.updated_at if listing.is_final else None,
                listed_at,
                listing.total_count,
                listing.row_count,
                listing.is_covered,
            )
            for listing in listings
        ],
    )


def queue_covered_again(connection: Connection[Any], repository_id: int) -> None:
    """Ask for the listings that were left out because webhooks covered the jobs."""
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


def save_job_listings_owed(connection: Connection[Any], repository_ids: Collection[int]) -> None:
    """Count the job listings that are owed, for those who watch."""
    connection.execute(
        """
        update app.repositories set job_listings_owed = counted.owed
        from (
            select wanted.repository_id, count(owed.run_id) as owed
            from unnest(%s::bigint[]) as wanted (repository_id)
            left join raw.owed_job_listings as owed using (repository_id)
            group by wanted.repository_id
        ) as counted
        where repositories.repository_id = counted.repository_id
            and repositories.job_listings_owed <> counted.owed
        """,
        [list(repository_ids)],
    )
