"""What collection keeps of a monitored repository: how far each loop has come, and what fails.

Who is monitored is written by `actionsight.repositories`; here are collection's own cursors. Every
function takes the sync's own connection (autocommit), which also holds the lock.
"""

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

from actionsight.shards import ALL


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


def monitored_repositories(
    connection: Connection[Any], slots: Sequence[int] = ALL.slots
) -> list[Repository]:
    """The monitored repositories of these slots, by name."""
    with connection.cursor(row_factory=class_row(Repository)) as cursor:
        cursor.execute(
            """
            select repository_id, repository.full_name, repository.visibility,
                (repository.visibility = 'private' and stored.visibility <> 'private') is true
                    as is_closed,
                looked_at, unreachable_since, head_since, head_cursor, swept_at, backfill_target
            from app.repositories as repository
            left join raw.repositories as stored using (repository_id)
            where removed_at is null and app.collection_slot(repository.full_name) = any(%s)
            order by lower(repository.full_name)
            """,
            [slots],
        )
        return cursor.fetchall()


def still_monitored(
    connection: Connection[Any], repository_ids: Collection[int], slots: Sequence[int]
) -> set[int]:
    """Which of these repositories nobody has removed meanwhile, or transferred to other slots."""
    rows = connection.execute(
        """
        select repository_id from app.repositories
        where repository_id = any(%s) and removed_at is null
            and app.collection_slot(full_name) = any(%s)
        """,
        [list(repository_ids), slots],
    ).fetchall()
    return {repository_id for (repository_id,) in rows}


def save_states(connection: Connection[Any], seen_at: Mapping[int, datetime]) -> None:
    """GitHub said of these repositories, then, that they are as they are stored: note it where
    webhooks have told something else since they were stored."""
    connection.execute(
        """
        with noted as (
            select raw.note_repository_state(
                stored.repository_id, seen.seen_at, stored.visibility, stored.default_branch,
                %(load_id)s
            ) as is_new
            from raw.repositories as stored
            inner join unnest(%(ids)s::bigint[], %(times)s::timestamptz[])
                as seen (repository_id, seen_at) using (repository_id)
        )

        insert into raw.direct_loads (load_id)
        select %(load_id)s from noted having bool_or(is_new)
        """,
        {
            "ids": list(seen_at.keys()),
            "times": list(seen_at.values()),
            "load_id": f"repositories-{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{secrets.token_hex(4)}",
        },
    )


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


def troubles_elsewhere(connection: Connection[Any], slots: Sequence[int]) -> dict[str, str]:
    """What went wrong with repositories and selections of other slots, and is not over, by name."""
    rows = connection.execute(
        """
        select full_name, trouble from app.repositories
        where removed_at is null and trouble is not null
            and app.collection_slot(full_name) != all(%(slots)s)
        union all
        select name, last_error from app.repository_selections
        where removed_at is null and last_error is not null
            and app.collection_slot(name) != all(%(slots)s)
        """,
        {"slots": slots},
    ).fetchall()
    return dict(rows)


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


def known_workflows(connection: Connection[Any], workflow_ids: Collection[int]) -> set[int]:
    """Which of these workflows are stored."""
    rows = connection.execute(
        "select workflow_id from raw.workflows where workflow_id = any(%s)", [list(workflow_ids)]
    ).fetchall()
    return {workflow_id for (workflow_id,) in rows}
