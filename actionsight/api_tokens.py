"""Bearer tokens of the API: made once, kept as a hash, checked by one lookup.

A token has 256 random bits, so a plain SHA-256 is enough to keep it: nothing could be guessed
faster from the hash than from scratch, and checking costs the same for every token.
"""

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple, get_args

from psycopg import Connection, sql
from psycopg.rows import class_row, scalar_row, tuple_row

from actionsight.database import SNAPSHOT
from actionsight.encryption import hash_of

# By the prefix a scanner for secrets, and a person, recognises one of ours.
PREFIX = "as_"
TOKEN_BYTES = 32

Scope = Literal["metrics", "read", "manage"]
# Each opens what the ones before it open: /metrics alone; all that answers; what changes something.
SCOPES: tuple[Scope, ...] = get_args(Scope)
READING: tuple[Scope, ...] = ("read",)
LONGEST_DAYS = 365


@dataclass(frozen=True)
class ListedToken:
    """A token as an operator lists it; times are UTC. The token itself is not known any more."""

    token_id: int
    name: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None
    user_id: int | None
    login: str | None
    scopes: list[str]


class ApiToken(NamedTuple):
    """A token that is open now: whose it is (GitHub's id; None: an operator's), for what, and in
    which snapshot of the database it was found (`actionsight.database.SNAPSHOT`)."""

    token_id: int
    user_id: int | None
    scopes: frozenset[str]
    snapshot: str | None

    def opens(self, needed: Scope) -> bool:
        """Whether one of its scopes includes this one."""
        return any(scope in self.scopes for scope in SCOPES[SCOPES.index(needed) :])


def create_token(
    connection: Connection[Any],
    name: str,
    *,
    scopes: Collection[Scope] = READING,
    expires_at: datetime | None = None,
    user_id: int | None = None,
) -> tuple[int, str]:
    """Make a token; give its id and the token, which can never be shown again.

    Args:
        user_id: the person whose rights it has; None: an operator's.

    Raises:
        ValueError: the name is empty, `expires_at` has no time zone, or a scope is unknown.
    """
    if not name.strip():
        raise ValueError("a token needs a name that says what it is for")
    if expires_at is not None and expires_at.tzinfo is None:
        raise ValueError("the expiry of a token needs a time zone")
    if not scopes or not set(scopes) <= set(SCOPES):
        raise ValueError(f"a token has scopes: {', '.join(SCOPES)}")
    token = PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
    with connection.cursor(row_factory=scalar_row) as cursor:
        cursor.execute(
            """
            insert into app.api_tokens (name, token_hash, expires_at, user_id, scopes)
            values (%s, %s, %s, %s, %s)
            returning token_id
            """,
            [name.strip(), hash_of(token), expires_at, user_id, sorted(set(scopes))],
        )
        (token_id,) = cursor.fetchall()
    return token_id, token


def list_tokens(connection: Connection[Any]) -> list[ListedToken]:
    """All tokens, revoked and expired ones too, oldest first."""
    with connection.cursor(row_factory=class_row(ListedToken)) as cursor:
        cursor.execute(
            """
            select
                token_id, api_tokens.name, api_tokens.created_at, expires_at, last_used_at,
                revoked_at, user_id, login, scopes
            from app.api_tokens
            left join app.users using (user_id)
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


_FIND = (
    sql.SQL(
        """
    select
        token_id, user_id, scopes, {snapshot},
        coalesce(last_used_at < now() - interval '1 minute', true)
    from app.api_tokens
    where token_hash = %s
        and revoked_at is null
        and (expires_at is null or expires_at > now())
        """
    )
    .format(snapshot=SNAPSHOT)
    .as_bytes()
)


def find_token(connection: Connection[Any], token: str) -> ApiToken | None:
    """The token that opens the API now; None for an unknown, expired or revoked one.

    Its last use is noted at most once a minute, so that a busy client does not write at each call.
    """
    with connection.cursor(row_factory=tuple_row) as cursor:
        row = cursor.execute(
            _FIND,
            [hash_of(token)],
        ).fetchone()
    if row is None:
        return None
    token_id, user_id, scopes, snapshot, is_note_due = row
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
    return ApiToken(token_id, user_id, frozenset(scopes), snapshot)
