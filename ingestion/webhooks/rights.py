"""What deliveries take from people: rights that were read before, and whole sign-ins."""

from collections.abc import Sequence
from typing import Any

from psycopg import Connection

from ingestion.webhooks.unpacking import Effect


def take_rights(connection: Connection[Any], effects: Sequence[Effect]) -> None:
    """Apply effects, within the caller's transaction.

    Whichever order they come in, the result is the same. What GitHub gives back is found when it
    is asked the next time: at once for rights, by signing in again for a sign-in.
    """
    signed_out = sorted(
        {effect.signed_out_user_id for effect in effects if effect.signed_out_user_id is not None}
    )
    if not any(effect.invalidates_rights for effect in effects) and not signed_out:
        return
    invalid = None if any(effect.invalidates_rights for effect in effects) else signed_out
    # Locked in order of their ids, users before their grants before their sessions: two that do so
    # cannot wait for each other. The clock, not now(): a delivery can be younger than the
    # transaction that it came into.
    connection.execute(
        """
        with touched as (
            select user_id from app.users
            where %(users)s::bigint[] is null or user_id = any(%(users)s)
            order by user_id
            for no key update
        )

        update app.users
        set rights_invalid_before = greatest(users.rights_invalid_before, clock_timestamp())
        from touched
        where users.user_id = touched.user_id
        """,
        {"users": invalid},
    )
    for statement in (
        """
        update app.sign_in_grants
        set revoked_at = now(), access_token = '', refresh_token = null
        where user_id = any(%s) and revoked_at is null
        """,
        "update app.sessions set ended_at = now() where user_id = any(%s) and ended_at is null",
    ):
        connection.execute(statement, [signed_out])
