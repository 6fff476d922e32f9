"""What collection remembers in PostgreSQL: who is monitored, how far each has come, what was done.

Every function takes the cycle's own connection (autocommit), which also holds the lock.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row

from actionsight.github.rate_limit.models import RateLimitState


@dataclass(frozen=True)
class Repository:
    """A monitored repository and how far its collection has come.

    `is_closed`: a webhook made it private since it was looked at.
    """

    repository_id: int
    full_name: str
    visibility: str
    is_closed: bool
    looked_at: datetime | None
    unreachable_since: datetime | None
    head_since: datetime | None
    head_cursor: datetime | None
    swept_at: datetime | None
    backfill_target: datetime | None


@dataclass
class Poll:
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


def monitored(connection: Connection[Any]) -> list[Repository]:
    """All monitored repositories, by name."""
    with connection.cursor(row_factory=class_row(Repository)) as cursor:
        cursor.execute(
            """
            select repository_id, repository.full_name, repository.visibility,
                (repository.visibility = 'private' and stored.visibility <> 'private') is true
                    as is_closed,
                looked_at, unreachable_since, head_since, head_cursor, swept_at, backfill_target
            from app.repositories as repository
            left join raw.repositories as stored using (repository_id)
            where removed_at is null order by lower(repository.full_name)
            """
        )
        return cursor.fetchall()


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


def save_looked_at(connection: Connection[Any], repository_id: int, looked_at: datetime) -> None:
    """A repository and its workflows are stored as they were then."""
    connection.execute(
        "update app.repositories set looked_at = %s where repository_id = %s",
        [looked_at, repository_id],
    )


def save_trouble(
    connection: Connection[Any],
    repository_id: int,
    loop: str,
    error: str,
    next_try_at: datetime,
) -> None:
    """Note what a loop could not do, and when it is tried again."""
    connection.execute(
        """
        update app.repositories set
            trouble = %s,
            trouble_loop = %s,
            trouble_since = coalesce(trouble_since, now()),
            failure_count = failure_count + 1,
            next_try_at = %s
        where repository_id = %s
        """,
        [error, loop, next_try_at, repository_id],
    )


def clear_troubles(
    connection: Connection[Any], repository_ids: Collection[int], loops: Collection[str]
) -> None:
    """These loops did all that they should for these repositories: older troubles are over."""
    connection.execute(
        """
        update app.repositories set
            trouble = null,
            trouble_loop = null,
            trouble_since = null,
            failure_count = 0,
            next_try_at = null
        where repository_id = any(%s) and trouble is not null
            and (trouble_loop is null or trouble_loop = any(%s))
        """,
        [list(repository_ids), list(loops)],
    )


def begin_head(connection: Connection[Any], repository_id: int, since: datetime) -> None:
    """From now on the head sees every run created since then; what was before is history."""
    connection.execute(
        """
        update app.repositories set head_since = %(since)s, head_cursor = %(since)s
        where repository_id = %(id)s and head_since is null
        """,
        {"id": repository_id, "since": since},
    )


def save_head_cursor(connection: Connection[Any], repository_id: int, cursor: datetime) -> None:
    """Move the head's cursor forward."""
    connection.execute(
        """
        update app.repositories set head_cursor = greatest(head_cursor, %s) where repository_id = %s
        """,
        [cursor, repository_id],
    )


def save_swept_at(connection: Connection[Any], repository_id: int, swept_at: datetime) -> None:
    """A sweep of a repository that began then has ended well."""
    connection.execute(
        "update app.repositories set swept_at = %s where repository_id = %s",
        [swept_at, repository_id],
    )


def save_newest_observation(
    connection: Connection[Any], repository_id: int, seen_at: datetime
) -> None:
    """Something new was seen of a repository; a webhook may have told something newer."""
    connection.execute(
        """
        update app.repositories set newest_observation_at = greatest(newest_observation_at, %s)
        where repository_id = %s
        """,
        [seen_at, repository_id],
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


def failed_in_poll(connection: Connection[Any], poll_id: UUID) -> set[int]:
    """Repositories of which a loop of a cycle has failed."""
    rows = connection.execute(
        """
        select repository_id from raw.polls
        where poll_id = %s and error is not null and ended_at is null
        """,
        [poll_id],
    ).fetchall()
    return {repository_id for (repository_id,) in rows}


def etags(connection: Connection[Any], listing: str) -> dict[int, tuple[str, str, str]]:
    """URL, token key and ETag of a listing that is stored, by repository id."""
    rows = connection.execute(
        "select repository_id, url, token_key, etag from raw.etags where listing = %s", [listing]
    ).fetchall()
    return {repository_id: (url, key, etag) for repository_id, url, key, etag in rows}


def save_etag(
    connection: Connection[Any],
    repository_id: int,
    listing: str,
    stored: tuple[str, str, str],
    saved_at: datetime,
) -> None:
    """What this ETag stands for is stored: GitHub need not send it again."""
    url, token_key, etag = stored
    connection.execute(
        """
        insert into raw.etags (repository_id, listing, url, token_key, etag, saved_at)
        values (%s, %s, %s, %s, %s, %s)
        on conflict (repository_id, listing) do update set
            url = excluded.url,
            token_key = excluded.token_key,
            etag = excluded.etag,
            saved_at = excluded.saved_at
        """,
        [repository_id, listing, url, token_key, etag, saved_at],
    )


def save_rate_limit(
    connection: Connection[Any],
    rate_limit: RateLimitState,
    before: RateLimitState | None,
    seen_at: datetime,
) -> None:
    """What is left of a credential's limit, and what was asked with it since `before`."""
    counts: Mapping[str, int] = {
        name: getattr(rate_limit, name) - (getattr(before, name) if before else 0)
        for name in ("request_count", "unchanged_count", "refused_count")
    }
    connection.execute(
        """
        insert into app.github_budgets as stored (
            credential, request_limit, remaining, resets_at,
            request_count, unchanged_count, refused_count, seen_at
        ) values (
            %(credential)s, %(limit)s, %(remaining)s, %(resets_at)s,
            %(request_count)s, %(unchanged_count)s, %(refused_count)s, %(seen_at)s
        )
        on conflict (credential) do update set
            request_limit = excluded.request_limit,
            remaining = excluded.remaining,
            resets_at = excluded.resets_at,
            request_count = stored.request_count + excluded.request_count,
            unchanged_count = stored.unchanged_count + excluded.unchanged_count,
            refused_count = stored.refused_count + excluded.refused_count,
            seen_at = excluded.seen_at
        """,
        {
            "credential": rate_limit.credential,
            "limit": rate_limit.limit,
            "remaining": rate_limit.remaining,
            "resets_at": rate_limit.resets_at,
            "seen_at": seen_at,
            **counts,
        },
    )
