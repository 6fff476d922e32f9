"""What is known of people: who did what, sessions that ended, and who has not come back."""

from datetime import datetime
from typing import Any

from psycopg import Connection

from actionsight import people
from actionsight.retention.rule import Rule, deleted

# Taking one person out is half a dozen statements.
_PEOPLE_BATCH = 100

AUDIT = deleted(
    "entries of the audit log",
    "retention_audit_days",
    table="app.audit_log",
    key="entry_id",
    where="happened_at < %(before)s",
)

SESSIONS = deleted(
    "sessions that ended",
    "retention_session_days",
    table="app.sessions",
    key="session_hash",
    where="least(ended_at, expires_at) < %(before)s",
)

GRANTS = deleted(
    "sign-ins that ended",
    "retention_session_days",
    table="app.sign_in_grants",
    key="grant_id",
    # Its sessions would go with it.
    where="""
        least(revoked_at, refresh_expires_at) < %(before)s
        and not exists (select from app.sessions where sessions.grant_id = old.grant_id)
    """,
)

TOKENS = deleted(
    "API tokens that ended",
    "retention_session_days",
    table="app.api_tokens",
    key="token_id",
    where="least(revoked_at, expires_at) < %(before)s",
)


def _away(connection: Connection[Any], before: datetime, limit: int | None = None) -> list[int]:
    """People whom neither a session nor a token of theirs has brought back; who was taken out has
    no name any more."""
    rows = connection.execute(
        """
        select user_id
        from app.users
        where last_seen_at < %(before)s
            and login != 'removed-' || user_id
            and not exists (
                select from app.api_tokens as token
                where token.user_id = users.user_id and token.last_used_at >= %(before)s
            )
        limit %(limit)s
        """,
        {"before": before, "limit": limit},
    ).fetchall()
    return [user_id for (user_id,) in rows]


def _count(connection: Connection[Any], before: datetime) -> int:
    return len(_away(connection, before))


def _remove(connection: Connection[Any], before: datetime) -> int:
    with connection.transaction():
        away = _away(connection, before, _PEOPLE_BATCH)
        for user_id in away:
            people.remove(connection, user_id)
    return len(away)


PEOPLE = Rule("people who have not come back", "retention_person_days", _count, _remove)
