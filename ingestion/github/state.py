"""What collection remembers in PostgreSQL: who is monitored, how far each has come, what was done.

Every function takes the cycle's own connection (autocommit), which also holds the lock.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row


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
                full_name = excluded.full_name,
                visibility = excluded.visibility,
                added_at = case
                    when repositories.removed_at is null then repositories.added_at
                    else excluded.added_at
                end,
                removed_at = null
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
