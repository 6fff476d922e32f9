"""Bearer tokens of the API: made once, kept as a hash, checked by one lookup.

A token has 256 random bits, so a plain SHA-256 is enough to keep it: nothing could be guessed
faster from the hash than from scratch, and checking costs the same for every token.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row, scalar_row, tuple_row

# By the prefix a scanner for secrets, and a person, recognises one of ours.
PREFIX = "as_"
TOKEN_BYTES = 32


@dataclass(frozen=True)
class ApiToken:
    """A token as it is kept; times are UTC. The token itself is not known any more."""

    token_id: int
    name: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None
    user_id: int | None


class Bearer(NamedTuple):
    """Whom a token stands for: a person (GitHub's id), or with None an operator."""

    token_id: int
    user_id: int | None


def create_token(
    connection: Connection[Any],
    name: str,
    *,
    expires_at: datetime | None = None,
    user_id: int | None = None,
) -> tuple[int, str]:
    """Make a token; give its id and the token, which can never be shown again.

    Args:
        user_id: the person whose rights it has; None: an operator's.

    Raises:
        ValueError: the name is empty, or `expires_at` has no time zone.
    """
    if not name.strip():
        raise ValueError("a token needs a name that says what it is for")
    if expires_at is not None and expires_at.tzinfo is None:
        raise ValueError("the expiry of a token needs a time zone")
    token = PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
    with connection.cursor(row_factory=scalar_row) as cursor:
        cursor.execute(
            """
            insert into app.api_tokens (name, token_hash, expires_at, user_id)
            values (%s, %s, %s, %s)
            returning token_id
            """,
            [name.strip(), _hash(token), expires_at, user_id],
        )
        (token_id,) = cursor.fetchall()
    return token_id, token


def list_tokens(connection: Connection[Any]) -> list[ApiToken]:
    """All tokens, revoked and expired ones too, oldest first."""
    with connection.cursor(row_factory=class_row(ApiToken)) as cursor:
        cursor.execute(
            """
            select token_id, name, created_at, expires_at, last_used_at, revoked_at, user_id
            from app.api_tokens
            order by token_id
            """
        )
        return cursor.fetchall()


def revoke_token(connection: Connection[Any], token_id: int) -> bool:
    """Close a token at once. False where there is none, or it was revoked before."""
    cursor = connection.execute(
        "update app.api_tokens set revoked_at = now() where token_id = %s and revoked_at is null",
        [token_id],
    )
    return cursor.rowcount == 1


def find_token(connection: Connection[Any], token: str) -> Bearer | None:
    """Whom a token opens the API for now; None for an unknown, expired or revoked one.

    Its last use is noted at most once a minute, so that a busy client does not write at each call.
    """
    with connection.cursor(row_factory=tuple_row) as cursor:
        row = cursor.execute(
            """
            select
                token_id, user_id, coalesce(last_used_at < now() - interval '1 minute', true)
            from app.api_tokens
            where token_hash = %s
                and revoked_at is null
                and (expires_at is null or expires_at > now())
            """,
            [_hash(token)],
        ).fetchone()
    if row is None:
        return None
    token_id, user_id, is_note_due = row
    if is_note_due:
        connection.execute(
            """
            update app.api_tokens
            set last_used_at = now()
            where token_id = %s
                and (last_used_at is null or last_used_at < now() - interval '1 minute')
            """,
            [token_id],
        )
    return Bearer(token_id, user_id)


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
