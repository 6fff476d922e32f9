"""What is monitored: the operator's selections, which the next poll resolves to GitHub's ids."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

from actionsight.settings import check_repository_name


@dataclass(frozen=True)
class MonitoredRepository:
    """A selection and how far its collection has come; times are UTC."""

    name: str
    repository_id: int | None
    visibility: str | None
    backfilled_from: datetime | None
    observed_until: datetime | None
    trouble: str | None


def add_selections(
    connection: Connection[Any], names: Iterable[str], *, again: bool = False
) -> list[str]:
    """Select repositories by `owner/name`; give those that were not selected before.

    A name that was removed by hand stays removed, unless `again` says otherwise: a setting that
    still lists it must not undo the operator's decision at every start.

    Raises:
        ValueError: a name is not of the form `owner/name`.
    """
    added = []
    for name in names:
        check_repository_name(name)
        row = connection.execute(
            """
            insert into app.repository_selections as selection (name) values (lower(%s))
            on conflict (name) do update set
                -- The name may belong to another repository by now: the next poll finds out.
                repository_id = null,
                removed_at = null,
                added_at = now()
            where %s and selection.removed_at is not null
            returning name
            """,
            [name, again],
        ).fetchone()
        if row is not None:
            added.append(name)
            connection.execute(
                # Added anew, so that it is polled at once.
                """
                update app.repositories set removed_at = null, added_at = now()
                where selected_by = lower(%s) and removed_at is not null
                """,
                [name],
            )
    return added


def remove_selection(connection: Connection[Any], name: str) -> bool:
    """Stop monitoring `owner/name`, or `owner/*` with all that it brought.

    The data stays, and no answer shows it. False where it is not monitored.
    """
    selected = connection.execute(
        """
        update app.repository_selections as selection set removed_at = now()
        where removed_at is null and (
            name = lower(%(name)s) or repository_id in (
                select repository_id from app.repositories where lower(full_name) = lower(%(name)s)
            )
        )
        returning repository_id
        """,
        {"name": name},
    ).fetchall()
    removed = connection.execute(
        """
        update app.repositories set removed_at = now()
        where removed_at is null and (
            repository_id = any(%(ids)s)
            or selected_by = lower(%(name)s)
            or (selected_by is not null and lower(full_name) = lower(%(name)s))
        )
        returning repository_id
        """,
        {"ids": [repository_id for (repository_id,) in selected], "name": name},
    ).fetchall()
    return bool(selected or removed)


def find_removed(connection: Connection[Any], name: str) -> int | None:
    """GitHub's id of a repository of this name that is not monitored any more, the newest such."""
    row = connection.execute(
        """
        select repository_id from app.repositories
        where lower(full_name) = lower(%s) and removed_at is not null
        order by removed_at desc
        limit 1
        """,
        [name],
    ).fetchone()
    return None if row is None else int(row[0])


def list_monitored(connection: Connection[Any]) -> list[MonitoredRepository]:
    """All that is selected, by name."""
    with connection.cursor(row_factory=class_row(MonitoredRepository)) as cursor:
        cursor.execute(
            """
            select
                coalesce(repositories.full_name, selection.name) as name,
                repository_id,
                visibility,
                backfilled_from,
                observed_until,
                coalesce(repositories.trouble, selection.last_error) as trouble
            from app.repository_selections as selection
            left join app.repositories using (repository_id)
            where selection.removed_at is null
            union all
            select full_name, repository_id, visibility, backfilled_from, observed_until, trouble
            from app.repositories
            where selected_by is not null and removed_at is null
            order by 1
            """
        )
        return cursor.fetchall()
