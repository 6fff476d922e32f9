"""Sessions of people: 256 random bits in a cookie, kept here as a hash only.

A session ends when the person signs out or signs in again, when GitHub ends its grant, after two
weeks without a request, and in any case after thirty days.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection, sql
from psycopg.rows import class_row, scalar_row

from actionsight.database import SNAPSHOT
from actionsight.encryption import hash_of

SESSION_BYTES = 32
IDLE = timedelta(days=14)
LIFETIME = timedelta(days=30)


@dataclass(frozen=True)
class Session:
    """A session that is open now.

    Attributes:
        session_hash: SHA-256 of the cookie's value.
        user_id: GitHub's id of the person.
        grant_id: what GitHub gave at the sign-in.
        rights_invalid_before: rights that were read from GitHub before count no more (UTC; the
            year 1970 when all count).
        expires_at: when it ends if nobody uses it until then (UTC).
        now: a moment before it was found, by the database's clock.
        snapshot: in which it was found (`actionsight.database.SNAPSHOT`).
    """

    session_hash: bytes
    user_id: int
    login: str
    grant_id: int
    rights_invalid_before: datetime
    expires_at: datetime
    now: datetime
    snapshot: str | None


@dataclass(frozen=True)
class _Found(Session):
    is_note_due: bool


def create_session(connection: Connection[Any], user_id: int, grant_id: int) -> str:
    """Open a session; gives the value of its cookie, which is known to nobody else.

    Some that expired are deleted with it, so that they do not gather.
    """
    cookie_value = secrets.token_urlsafe(SESSION_BYTES)
    connection.execute(
        """
        delete from app.sessions where session_hash in (
            select session_hash from app.sessions
            where expires_at < now()
            order by expires_at
            limit 100
            for update skip locked
        )
        """
    )
    connection.execute(
        """
        insert into app.sessions (session_hash, user_id, grant_id, expires_at)
        values (%s, %s, %s, now() + %s)
        """,
        [hash_of(cookie_value), user_id, grant_id, LIFETIME],
    )
    return cookie_value


_FIND = (
    sql.SQL(
        """
    select
        sessions.session_hash,
        sessions.user_id,
        users.login,
        sessions.grant_id,
        greatest(users.rights_invalid_before, timestamptz 'epoch') as rights_invalid_before,
        least(sessions.expires_at, sessions.last_seen_at + %(idle)s) as expires_at,
        clock_timestamp() as now,
        {snapshot} as snapshot,
        sessions.last_seen_at < now() - interval '1 minute' as is_note_due
    from app.sessions
    inner join app.users using (user_id)
    inner join app.sign_in_grants as grants using (grant_id)
    where sessions.session_hash = %(session_hash)s
        and sessions.ended_at is null
        and grants.revoked_at is null
        and sessions.expires_at > now()
        and sessions.last_seen_at > now() - %(idle)s
        """
    )
    .format(snapshot=SNAPSHOT)
    .as_bytes()
)


def find_session(connection: Connection[Any], cookie_value: str) -> Session | None:
    """The open session to which a cookie belongs; None: unknown, ended or expired.

    Its use is noted at most once a minute, so that a busy page does not write at each request.
    """
    session_hash = hash_of(cookie_value)
    with connection.cursor(row_factory=class_row(_Found)) as cursor:
        session = cursor.execute(_FIND, {"session_hash": session_hash, "idle": IDLE}).fetchone()
    if session is not None and session.is_note_due:
        _note_use(connection, session_hash)
    return session


def end_sessions_of_grant(connection: Connection[Any], grant_id: int) -> int:
    """End the sessions that rest on a grant; gives how many were open."""
    cursor = connection.execute(
        "update app.sessions set ended_at = now() where grant_id = %s and ended_at is null",
        [grant_id],
    )
    return cursor.rowcount


def _note_use(connection: Connection[Any], session_hash: bytes) -> None:
    with connection.cursor(row_factory=scalar_row) as cursor:
        noted = cursor.execute(
            """
            update app.sessions set last_seen_at = now()
            where session_hash = %s and last_seen_at < now() - interval '1 minute'
            returning user_id
            """,
            [session_hash],
        ).fetchone()
        if noted is not None:
            # A sign-in locks the person first and a session then: whoever waited here for the
            # person, holding the session, could wait for ever.
            cursor.execute(
                """
                update app.users set last_seen_at = now()
                where user_id in (
                    select user_id from app.users where user_id = %s for update skip locked
                )
                """,
                [noted],
            )
