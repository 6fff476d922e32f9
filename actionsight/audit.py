"""The audit log: who changed what, when."""

from typing import Any

import orjson
from psycopg import Connection


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
