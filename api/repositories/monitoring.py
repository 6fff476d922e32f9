"""What is monitored, read and changed by people."""

from dataclasses import dataclass
from typing import Any

from psycopg.rows import class_row

from actionsight import audit, repositories
from api.auth.authentication import Principal
from api.database import Connection
from api.github import Repository


@dataclass(frozen=True)
class Known:
    """A repository that is or was monitored."""

    repository_id: int
    full_name: str
    is_monitored: bool
    hook_id: int | None


def find(connection: Connection, repository_id: int) -> Known | None:
    """A repository that is or was monitored; None: it never was, or was purged."""
    with connection.cursor(row_factory=class_row(Known)) as cursor:
        return cursor.execute(
            """
            select repository_id, full_name, removed_at is null as is_monitored, hook_id
            from app.repositories where repository_id = %s
            """,
            [repository_id],
        ).fetchone()


def monitored_ids(connection: Connection) -> set[int]:
    """The ids of all that is monitored."""
    rows = connection.execute(
        "select repository_id from app.repositories where removed_at is null"
    ).fetchall()
    return {row["repository_id"] for row in rows}


def is_selected_owner(connection: Connection, owner: str) -> bool:
    """Whether a repository of that owner, or all of them, is selected."""
    row = connection.execute(
        """
        select exists (
            select from app.repository_selections
            where removed_at is null and split_part(name, '/', 1) = lower(%s)
        ) as is_selected
        """,
        [owner],
    ).fetchone()
    return bool(row and row["is_selected"])


def add(connection: Connection, principal: Principal, repository: Repository) -> None:
    """Monitor a repository from now on, in the caller's transaction."""
    repositories.add_repository(
        connection,
        repository.repository_id,
        repository.full_name,
        repository.visibility,
        added_by=principal.user_id,
    )
    # What was read of their rights before may be older than the repository.
    connection.execute(
        """
        update app.users set rights_invalid_before = clock_timestamp() where user_id = %s
        """,
        [principal.user_id],
    )
    _note(connection, "repository.added", principal, repository.repository_id, repository.full_name)


def remove(connection: Connection, principal: Principal, known: Known) -> None:
    """Stop monitoring a repository, in the caller's transaction: no answer shows it any more."""
    repositories.remove_repository(connection, known.repository_id, known.full_name)
    _note(connection, "repository.removed", principal, known.repository_id, known.full_name)


def _note(
    connection: Connection, action: str, principal: Principal, repository_id: int, full_name: str
) -> None:
    details: dict[str, Any] = {"full_name": full_name}
    audit.record(
        connection,
        action,
        user_id=principal.user_id,
        token_id=principal.token_id,
        repository_id=repository_id,
        **details,
    )
