"""What deliveries take from people: rights that were read before, and whole sign-ins."""

from collections.abc import Sequence
from typing import Any

from psycopg import Connection

from actionsight.repositories import invalidate_rights
from ingestion.webhooks.parse import Effect


def apply_revocations(connection: Connection[Any], effects: Sequence[Effect]) -> None:
    """Apply effects, within the caller's transaction.

    Whichever order they come in, the result is the same. What GitHub gives back is found when it
    is asked the next time: within minutes for rights, by signing in again for a sign-in.
    """
    revocations = {effect.revocation for effect in effects if effect.revocation is not None}
    for revocation in sorted(revocations, key=repr):
        invalidate_rights(connection, revocation.repository_ids, revocation.owner)
    _sign_out(
        connection,
        {effect.signed_out_user_id for effect in effects if effect.signed_out_user_id is not None},
    )


def _sign_out(connection: Connection[Any], user_ids: set[int]) -> None:
    if not user_ids:
        return
    # Users before their grants before their sessions, in order of their ids, as everybody does.
    people = sorted(user_ids)
    connection.execute(
        """
        with touched as (
            select user_id from app.users
            where user_id = any(%(users)s)
            order by user_id
            for no key update
        )

        update app.users
        set rights_invalid_before = greatest(users.rights_invalid_before, clock_timestamp())
        from touched
        where users.user_id = touched.user_id
        """,
        {"users": people},
    )
    for statement in (
        """
        update app.sign_in_grants
        set revoked_at = now(), access_token = '', refresh_token = null
        where user_id = any(%s) and revoked_at is null
        """,
        "update app.sessions set ended_at = now() where user_id = any(%s) and ended_at is null",
    ):
        connection.execute(statement, [people])
