"""The rows of raw.polls: what each loop did for each repository."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import dict_row


@dataclass
class PollRow:
    """A row of raw.polls: what one loop did for one repository.

    `ended_at` stays null where it failed; with an end, `error` tells what was left out.
    """

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


def save_poll(connection: Connection[Any], poll: PollRow) -> None:
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
    """Errors by repository id that a sync has met so far."""
    rows = connection.execute(
        "select repository_id, error from raw.polls where poll_id = %s and error is not null",
        [poll_id],
    ).fetchall()
    return dict(rows)


def failed_in_poll(connection: Connection[Any], poll_id: UUID) -> set[int]:
    """Repositories of which a loop of a sync has failed."""
    rows = connection.execute(
        """
        select repository_id from raw.polls
        where poll_id = %s and error is not null and ended_at is null
        """,
        [poll_id],
    ).fetchall()
    return {repository_id for (repository_id,) in rows}


def last_ended(
    connection: Connection[Any], repository_ids: Collection[int], loop: str, oldest: datetime
) -> dict[int, datetime]:
    """When each repository's newest poll of a loop that ended well began, if after `oldest`."""
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


def progress_of_poll(
    connection: Connection[Any], poll_id: UUID, slots: Sequence[int], most: int
) -> list[dict[str, str | int]]:
    """At most so many repositories of these slots, first those with the most left to do: windows of
    history and job listings owed, and what this sync did; times are texts, empty where there is
    none."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            """
            select
                repositories.full_name as repository,
                repositories.backfill_windows_completed as windows_completed,
                repositories.backfill_windows as windows,
                coalesce(to_char(repositories.backfilled_from, 'YYYY-MM-DD'), '') as history_from,
                coalesce(to_char(repositories.backfill_estimated_end, 'YYYY-MM-DD HH24:MI'), '')
                    as estimated_end,
                repositories.job_listings_owed,
                coalesce(sum(polls.request_count), 0)::bigint as requests,
                coalesce(sum(polls.seen), 0)::bigint as rows_seen,
                coalesce(sum(polls.changed), 0)::bigint as rows_changed,
                coalesce(max(polls.error), '') as trouble
            from app.repositories
            left join raw.polls
                on polls.repository_id = repositories.repository_id and polls.poll_id = %s
            where repositories.removed_at is null
                and app.collection_slot(repositories.full_name) = any(%s)
            group by repositories.repository_id
            order by
                repositories.backfill_windows - repositories.backfill_windows_completed desc,
                repositories.job_listings_owed desc,
                repositories.full_name
            limit %s
            """,
            [poll_id, slots, most],
        ).fetchall()
