"""People who signed in, as an operator looks at them and takes them out."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row


@dataclass(frozen=True)
class KnownPerson:
    """Somebody who signed in once; `last_seen_at` is UTC. `is_signed_in`: GitHub can be asked what
    they may see."""

    user_id: int
    login: str
    last_seen_at: datetime
    is_signed_in: bool


_PEOPLE = """
    select
        user_id,
        login,
        last_seen_at,
        exists (
            select from app.sign_in_grants as grants
            where grants.user_id = users.user_id and revoked_at is null
        ) as is_signed_in
    from app.users
"""


def list_people(connection: Connection[Any]) -> list[KnownPerson]:
    """Everybody who signed in once, by login."""
    with connection.cursor(row_factory=class_row(KnownPerson)) as cursor:
        return cursor.execute(f"{_PEOPLE} order by lower(login), user_id").fetchall()


def find(connection: Connection[Any], login_or_id: str) -> KnownPerson | None:
    """A person by GitHub's id, or by the login that they had when they were last seen; None: nobody
    of that name signed in. A login that was somebody else's before is the newest person's."""
    with connection.cursor(row_factory=class_row(KnownPerson)) as cursor:
        return cursor.execute(
            f"""
            {_PEOPLE}
            where user_id::text = %(text)s or lower(login) = lower(%(text)s)
            order by user_id::text = %(text)s desc, last_seen_at desc
            limit 1
            """,
            {"text": login_or_id},
        ).fetchone()


def remove(connection: Connection[Any], user_id: int) -> None:
    """End all sessions, sign-ins and tokens of a person, and take their names out, in the caller's
    transaction. Only GitHub's id stays, since the audit log and what they added point to it."""
    # In this order, as everybody else locks them.
    connection.execute(
        """
        update app.users set
            login = 'removed-' || user_id,
            name = null,
            avatar_url = null,
            rights_invalid_before = clock_timestamp()
        where user_id = %s
        """,
        [user_id],
    )
    for statement in (
        """
        update app.sign_in_grants
        set revoked_at = coalesce(revoked_at, now()), access_token = '', refresh_token = null
        where user_id = %s
        """,
        "update app.sessions set ended_at = now() where user_id = %s and ended_at is null",
        "update app.api_tokens set revoked_at = now() where user_id = %s and revoked_at is null",
        "update app.audit_log set details = details - 'login' where user_id = %s",
    ):
        connection.execute(statement, [user_id])
