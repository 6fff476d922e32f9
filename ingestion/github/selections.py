"""The operator's selections in PostgreSQL: `owner/name` until GitHub gives an id, and `owner/*`."""

from datetime import datetime
from typing import Any

from psycopg import Connection


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


def followed_owners(connection: Connection[Any], listed_before: datetime | None) -> list[str]:
    """Owners of whom every repository is selected, if they were not listed since then."""
    rows = connection.execute(
        """
        select split_part(name, '/', 1) from app.repository_selections
        where removed_at is null and name like '%%/*'
            and (%(before)s::timestamptz is null or listed_at is null or listed_at < %(before)s)
        order by added_at, name
        """,
        {"before": listed_before},
    ).fetchall()
    return [owner for (owner,) in rows]


def resolve_selection(
    connection: Connection[Any],
    name: str,
    repository_id: int,
    full_name: str,
    visibility: str,
    seen_at: datetime,
) -> None:
    """Note GitHub's id of a selection, as seen then; from now on the repository is monitored."""
    with connection.transaction():
        connection.execute(
            """
            insert into app.repositories (
                repository_id, full_name, visibility, visibility_seen_at
            ) values (%s, %s, %s, %s)
            on conflict (repository_id) do update set
                full_name = excluded.full_name,
                visibility = excluded.visibility,
                visibility_seen_at = excluded.visibility_seen_at,
                selected_by = null,
                unreachable_since = null,
                added_at = case
                    when repositories.removed_at is null then repositories.added_at
                    else excluded.added_at
                end,
                removed_at = null
            """,
            [repository_id, full_name, visibility, seen_at],
        )
        connection.execute(
            """
            update app.repository_selections set repository_id = %s, last_error = null
            where name = %s
            """,
            [repository_id, name],
        )


def follow_repository(
    connection: Connection[Any],
    owner: str,
    repository_id: int,
    full_name: str,
    visibility: str,
    seen_at: datetime,
) -> bool:
    """Monitor a repository of a followed owner; True when it is new.

    One that was ever monitored is left as it is: somebody may have removed it by hand.
    """
    row = connection.execute(
        """
        insert into app.repositories (
            repository_id, full_name, visibility, visibility_seen_at, selected_by
        ) values (%s, %s, %s, %s, %s)
        on conflict (repository_id) do nothing
        returning repository_id
        """,
        [repository_id, full_name, visibility, seen_at, f"{owner}/*"],
    ).fetchone()
    return row is not None


def save_listed_at(connection: Connection[Any], owner: str, listed_at: datetime) -> None:
    """All repositories of a followed owner are known as of then."""
    connection.execute(
        """
        update app.repository_selections set listed_at = %s, last_error = null where name = %s
        """,
        [listed_at, f"{owner}/*"],
    )


def refuse_selection(connection: Connection[Any], name: str, error: str) -> None:
    """Note why a selection could not be resolved; the next poll tries again."""
    connection.execute(
        "update app.repository_selections set last_error = %s where name = %s", [error, name]
    )
