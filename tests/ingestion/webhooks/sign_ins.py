"""People who signed in, as rows."""

from datetime import UTC, datetime
from typing import Any

from tests.ingestion.webhooks.factories import Installation

NEVER = datetime(1, 1, 1, tzinfo=UTC)


def sign_in(webhooks: Installation, user_id: int, sessions: int = 1) -> None:
    """Let a person sign in, some times."""
    webhooks.execute(
        """
        insert into app.users (user_id, login) values (%s, 'somebody') on conflict do nothing
        """,
        user_id,
    )
    for _ in range(sessions):
        webhooks.execute(
            """
            with sign_in as (
                insert into app.sign_in_grants (user_id, access_token, refresh_token)
                values (%s, 'encrypted', 'encrypted')
                returning user_id, grant_id
            )

            insert into app.sessions (session_hash, user_id, grant_id, expires_at)
            select gen_random_uuid()::text::bytea, user_id, grant_id, now() + interval '1 day'
            from sign_in
            """,
            user_id,
        )


def sign_ins(webhooks: Installation) -> list[dict[str, Any]]:
    """By person: how many grants and sessions are open, since when rights count (NEVER: always)."""
    return webhooks.query(
        """
        select
            user_id,
            (
                select count(*) from app.sign_in_grants
                where sign_in_grants.user_id = users.user_id and revoked_at is null
            ) as grant_count,
            (
                select count(*) from app.sign_in_grants
                where sign_in_grants.user_id = users.user_id
                    and (access_token <> '' or refresh_token is not null)
            ) as token_count,
            (
                select count(*) from app.sessions
                where sessions.user_id = users.user_id and ended_at is null
            ) as session_count,
            greatest(rights_invalid_before, '0001-01-01Z') as rights_invalid_before
        from app.users order by user_id
        """
    )
