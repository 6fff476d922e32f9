"""Tokens and sessions: those of one person, or of everybody."""

from typing import Any

from psycopg import sql

from api.auth.sessions import IDLE
from api.database import Connection
from api.pagination import Order, Page

_TOKENS = Order([sql.SQL("tokens.token_id")], is_descending=True)
_SESSIONS = Order(
    [sql.SQL("sessions.created_at"), sql.SQL("sessions.session_id")], is_descending=True
)
# A session is named by a hash of what is kept of its cookie, which is a hash itself.
_OPEN_SESSIONS = """
    (
        select
            encode(sha256(sessions.session_hash), 'hex') as session_id,
            sessions.session_hash,
            sessions.grant_id,
            sessions.user_id,
            users.login,
            sessions.created_at,
            sessions.last_seen_at,
            least(sessions.expires_at, sessions.last_seen_at + %(idle)s) as expires_at
        from app.sessions
        inner join app.users using (user_id)
        inner join app.sign_in_grants as grants using (grant_id)
        where sessions.ended_at is null
            and grants.revoked_at is null
            and sessions.expires_at > now()
            and sessions.last_seen_at > now() - %(idle)s
            and (%(user)s::bigint is null or sessions.user_id = %(user)s)
    ) as sessions
"""


def list_tokens(connection: Connection, user_id: int | None, page: Page) -> list[dict[str, Any]]:
    """The tokens of a person (None: all), newest first, with their keys; one more than the page."""
    after, parameters = _TOKENS.after(page.after)
    query = sql.SQL(
        """
        select
            tokens.token_id, tokens.name, tokens.scopes, tokens.user_id, users.login,
            tokens.created_at, tokens.expires_at, tokens.last_used_at, tokens.revoked_at, {keys}
        from app.api_tokens as tokens
        left join app.users using (user_id)
        where (%(user)s::bigint is null or tokens.user_id = %(user)s) and {after}
        order by {order}
        limit %(limit)s
        """
    ).format(keys=_TOKENS.keys, after=after, order=_TOKENS.clause)
    parameters.update(user=user_id, limit=page.limit + 1)
    return connection.execute(query, parameters).fetchall()


def find_token(connection: Connection, token_id: int, user_id: int | None) -> dict[str, Any] | None:
    """A token of a person (None: of anybody)."""
    return connection.execute(
        """
        select
            tokens.token_id, tokens.name, tokens.scopes, tokens.user_id, users.login,
            tokens.created_at, tokens.expires_at, tokens.last_used_at, tokens.revoked_at
        from app.api_tokens as tokens
        left join app.users using (user_id)
        where token_id = %(id)s and (%(user)s::bigint is null or tokens.user_id = %(user)s)
        """,
        {"id": token_id, "user": user_id},
    ).fetchone()


def list_sessions(
    connection: Connection, user_id: int | None, current: bytes | None, page: Page
) -> list[dict[str, Any]]:
    """The open sessions of a person (None: of everybody), newest first, with their keys; one more
    than the page.

    Args:
        current: the hash of the session by which is asked.
    """
    after, parameters = _SESSIONS.after(page.after)
    query = sql.SQL(
        """
        select
            session_id, user_id, login, created_at, last_seen_at, expires_at,
            coalesce(session_hash = %(current)s, false) as is_current, {keys}
        from {sessions}
        where {after}
        order by {order}
        limit %(limit)s
        """
    ).format(
        keys=_SESSIONS.keys,
        sessions=sql.SQL(_OPEN_SESSIONS),
        after=after,
        order=_SESSIONS.clause,
    )
    parameters.update(user=user_id, current=current, idle=IDLE, limit=page.limit + 1)
    return connection.execute(query, parameters).fetchall()


def find_session(
    connection: Connection, session_id: str, user_id: int | None
) -> dict[str, Any] | None:
    """An open session of a person (None: of anybody), with its grant."""
    query = sql.SQL("select * from {} where session_id = %(id)s").format(sql.SQL(_OPEN_SESSIONS))
    parameters = {"id": session_id, "user": user_id, "idle": IDLE}
    return connection.execute(query, parameters).fetchone()
