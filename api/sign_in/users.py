"""Users: kept by GitHub's id, at each sign-in with a grant and a session of its own."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

from actionsight import audit
from actionsight.encryption import Cipher
from actionsight.github.oauth import GitHubAccount, Tokens
from api.auth import grants
from api.auth.sessions import create_session


@dataclass(frozen=True)
class User:
    """What is known of somebody who signed in."""

    user_id: int
    login: str
    name: str | None
    avatar_url: str | None
    last_seen_at: datetime


def sign_in(
    connection: Connection[Any], cipher: Cipher, account: GitHubAccount, tokens: Tokens
) -> str:
    """Keep the user and what GitHub gave, and open a session; gives its cookie's value."""
    connection.execute(
        """
        insert into app.users (user_id, login, name, avatar_url)
        values (%s, %s, %s, %s)
        on conflict (user_id) do update set
            login = excluded.login,
            name = excluded.name,
            avatar_url = excluded.avatar_url,
            last_seen_at = now()
        """,
        [account.user_id, account.login, account.name, account.avatar_url],
    )
    grant_id = grants.store(connection, cipher, account.user_id, tokens)
    audit.record(connection, "sign_in.completed", user_id=account.user_id, login=account.login)
    return create_session(connection, account.user_id, grant_id)


def find_user(connection: Connection[Any], user_id: int) -> User | None:
    """A user by GitHub's id."""
    with connection.cursor(row_factory=class_row(User)) as cursor:
        return cursor.execute(
            """
            select user_id, login, name, avatar_url, last_seen_at
            from app.users
            where user_id = %s
            """,
            [user_id],
        ).fetchone()
