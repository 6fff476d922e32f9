"""The audit log: who changed what, when."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from psycopg import Connection
from psycopg.rows import class_row


@dataclass(frozen=True)
class Entry:
    """An action as it was noted; `happened_at` is UTC."""

    happened_at: datetime
    action: str
    user_id: int | None
    token_id: int | None
    repository_id: int | None
    details: dict[str, Any]

    def line(self) -> str:
        """One line for a person."""
        who = (
            f"user {self.user_id}"
            if self.user_id is not None
            else f"token {self.token_id}"
            if self.token_id is not None
            else "operator"
        )
        about = {"repository_id": self.repository_id} if self.repository_id is not None else {}
        details = " ".join(f"{name}={value}" for name, value in {**about, **self.details}.items())
        return f"{self.happened_at:%Y-%m-%d %H:%M:%S} UTC\t{who}\t{self.action}\t{details}".rstrip()


def record(
    connection: Connection[Any],
    action: str,
    *,
    user_id: int | None = None,
    token_id: int | None = None,
    repository_id: int | None = None,
    **details: Any,
) -> None:
    """Note an action in the transaction that does it.

    Args:
        action: a name such as `repository.added`.
        user_id: who did it, by GitHub's id; None: a command of the operator, or a token of one.
        token_id: by which API token.
        details: what else a reader needs; never a secret.
    """
    connection.execute(
        """
        insert into app.audit_log (action, user_id, token_id, repository_id, details)
        values (%s, %s, %s, %s, %s)
        """,
        [action, user_id, token_id, repository_id, orjson.dumps(details).decode()],
    )


def newest(connection: Connection[Any], limit: int) -> list[Entry]:
    """The newest entries, newest first."""
    with connection.cursor(row_factory=class_row(Entry)) as cursor:
        cursor.execute(
            """
            select happened_at, action, user_id, token_id, repository_id, details
            from app.audit_log
            order by entry_id desc
            limit %s
            """,
            [limit],
        )
        return cursor.fetchall()
