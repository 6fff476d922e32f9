"""Grants: the tokens that GitHub gave at a sign-in, encrypted, refreshed while they are needed.

A refresh token serves once. Whoever refreshes says so in the grant's row first
(`refresh_started_at`, for half a minute), and writes what GitHub gave only if the row still holds
the token that was used. No connection, and no row, is held while GitHub is asked. A grant that
ended keeps no tokens.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from psycopg import Connection, sql
from psycopg.rows import class_row, scalar_row

from actionsight import audit
from actionsight.encryption import Cipher, DecryptionError
from actionsight.github.errors import BadCredentialError, GitHubError, UnavailableError
from actionsight.github.oauth import OAuthClient, Tokens
from api.auth.sessions import end_sessions_of_grant
from api.database import Database

# A token is refreshed that early, so that a request that has begun can be finished with it.
MARGIN = timedelta(minutes=5)
# So long one refresh is waited for; then it was lost, and another may try.
REFRESH_SECONDS = 30
WAIT_SECONDS = 10
_LOOK_SECONDS = 0.1
_REFUSED = "refused by GitHub"
_UNREADABLE = "encrypted with another secret key"

logger = logging.getLogger(__name__)


class GrantEndedError(Exception):
    """GitHub gives nothing for this grant any more: the person has to sign in again."""


@dataclass(frozen=True)
class _Grant:
    user_id: int
    access_token: bytes = field(repr=False)
    refresh_token: bytes | None = field(repr=False)
    is_expired: bool
    is_refresh_due: bool
    is_refreshable: bool
    is_refreshing: bool


def store(connection: Connection[Any], cipher: Cipher, user_id: int, tokens: Tokens) -> int:
    """Keep what GitHub gave at a sign-in; gives the grant's id."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        (grant_id,) = cursor.execute(
            """
            insert into app.sign_in_grants (
                user_id, access_token, access_expires_at, refresh_token, refresh_expires_at
            )
            values (
                %(user_id)s,
                %(access_token)s,
                now() + make_interval(secs => %(access_seconds)s),
                %(refresh_token)s,
                now() + make_interval(secs => %(refresh_seconds)s)
            )
            returning grant_id
            """,
            {"user_id": user_id, **_encrypted(cipher, tokens)},
        ).fetchall()
    return int(grant_id)


def access_token(database: Database, cipher: Cipher, oauth: OAuthClient, grant_id: int) -> str:
    """The person's token, refreshed when it is about to expire.

    Raises:
        GrantEndedError: GitHub refused, or the grant had ended; its sessions have ended, too.
        GitHubError: the token has expired, and GitHub cannot be asked for another;
            ClientRefusedError: because it does not know this installation.
    """
    given_up_at = time.monotonic() + WAIT_SECONDS
    while True:
        with database.writing() as connection:
            grant = _read(connection, grant_id)
        try:
            current = cipher.decrypt(grant.access_token)
            refresh_token = cipher.decrypt(grant.refresh_token) if grant.refresh_token else None
        except DecryptionError:
            logger.warning("grant %d: %s", grant_id, _UNREADABLE)
            _end(database, grant_id, grant, _UNREADABLE)
            raise GrantEndedError from None
        if not grant.is_refresh_due:
            return current
        if refresh_token is None or not grant.is_refreshable:
            if not grant.is_expired:
                return current
            _end(database, grant_id, grant, _REFUSED)
            raise GrantEndedError
        if not grant.is_refreshing and _begin_refresh(database, grant_id, grant):
            return _refreshed(database, cipher, oauth, grant_id, grant, current, refresh_token)
        if not grant.is_expired:
            return current  # another request refreshes it
        if time.monotonic() > given_up_at:
            raise UnavailableError("another request still waits for a new token")
        time.sleep(_LOOK_SECONDS)


def note_refusal(database: Database, cipher: Cipher, grant_id: int, token: str) -> None:
    """Note that GitHub answered 401 to a token that `access_token` gave.

    Returns when the grant has a newer token by now, which is worth another try.

    Raises:
        GrantEndedError: the grant and its sessions have ended.
    """
    with database.writing() as connection:
        grant = _read(connection, grant_id)
    try:
        is_current = cipher.decrypt(grant.access_token) == token
    except DecryptionError:
        is_current = True
    if is_current and _end(database, grant_id, grant, _REFUSED):
        raise GrantEndedError


def revoke(
    database: Database,
    cipher: Cipher,
    oauth: OAuthClient,
    grant_id: int,
    *,
    reason: str,
    note: Callable[[Connection[Any]], None] | None = None,
) -> None:
    """End a grant here, and then end its token at GitHub.

    When GitHub is away its token is left to expire there, known to nobody; the log and the audit
    log say so.

    Args:
        note: notes who ended it, in the transaction that does; not asked where it had ended before.
    """
    with database.writing() as connection:
        try:
            grant = _read(connection, grant_id, locked=True)
        except GrantEndedError:
            return
        _forget_tokens(connection, grant_id)
        end_sessions_of_grant(connection, grant_id)
        if note is not None:
            note(connection)
    is_revoked = _revoke_at_github(cipher, oauth, grant_id, grant)
    with database.writing() as connection:
        audit.record(
            connection,
            "sign_in.ended",
            user_id=grant.user_id,
            reason=reason,
            is_token_revoked_at_github=is_revoked,
        )


def _revoke_at_github(cipher: Cipher, oauth: OAuthClient, grant_id: int, grant: _Grant) -> bool:
    try:
        token = cipher.decrypt(grant.access_token)
        if grant.is_expired and grant.is_refreshable and grant.refresh_token:
            # An expired token cannot be revoked, and its refresh token would live on for months.
            refresh_token = cipher.decrypt(grant.refresh_token)
            token = oauth.refresh(refresh_token).access_token
    except BadCredentialError:
        return True  # it had ended before
    except (GitHubError, DecryptionError) as error:
        logger.warning("grant %d: its token is not revoked at GitHub: %r", grant_id, error)
        return False
    return end_at_github(oauth, token)


def end_at_github(oauth: OAuthClient, token: str) -> bool:
    """End a token at GitHub; False, and a line in the log, where that fails."""
    try:
        oauth.revoke(token)
    except BadCredentialError:
        return True  # it had ended before
    except GitHubError as error:
        logger.warning("a token is not revoked at GitHub: %r", error)
        return False
    return True


def _begin_refresh(database: Database, grant_id: int, grant: _Grant) -> bool:
    """Whether the refresh is this request's to make: of all that ask, one's."""
    with database.writing() as connection:
        cursor = connection.execute(
            """
            update app.sign_in_grants set refresh_started_at = clock_timestamp()
            where grant_id = %s
                and revoked_at is null
                and refresh_token = %s
                and coalesce(refresh_started_at < clock_timestamp() - %s, true)
            """,
            [grant_id, grant.refresh_token, timedelta(seconds=REFRESH_SECONDS)],
        )
        return cursor.rowcount == 1


def _refreshed(
    database: Database,
    cipher: Cipher,
    oauth: OAuthClient,
    grant_id: int,
    grant: _Grant,
    current: str,
    refresh_token: str,
) -> str:
    try:
        tokens = oauth.refresh(refresh_token)
    except BadCredentialError:
        if _end(database, grant_id, grant, _REFUSED):
            raise GrantEndedError from None
        raise UnavailableError("another request has refreshed the token") from None
    except GitHubError:
        _give_up_refresh(database, grant_id)
        if grant.is_expired:
            raise
        return current
    with database.writing() as connection:
        cursor = connection.execute(
            """
            update app.sign_in_grants set
                access_token = %(access_token)s,
                access_expires_at = now() + make_interval(secs => %(access_seconds)s),
                refresh_token = %(refresh_token)s,
                refresh_expires_at = now() + make_interval(secs => %(refresh_seconds)s),
                refresh_started_at = null
            where grant_id = %(grant_id)s
                and revoked_at is null
                and refresh_token = %(used)s
            """,
            {"grant_id": grant_id, "used": grant.refresh_token, **_encrypted(cipher, tokens)},
        )
    if cursor.rowcount == 0:
        # The person signed out meanwhile: what GitHub gave belongs to nobody.
        end_at_github(oauth, tokens.access_token)
        return access_token(database, cipher, oauth, grant_id)
    return tokens.access_token


def _give_up_refresh(database: Database, grant_id: int) -> None:
    with database.writing() as connection:
        connection.execute(
            "update app.sign_in_grants set refresh_started_at = null where grant_id = %s",
            [grant_id],
        )


_READ = """
    select
        user_id,
        access_token,
        refresh_token,
        coalesce(access_expires_at <= clock_timestamp(), false) as is_expired,
        coalesce(access_expires_at <= clock_timestamp() + %(margin)s, false) as is_refresh_due,
        coalesce(refresh_expires_at > clock_timestamp(), true) as is_refreshable,
        coalesce(refresh_started_at > clock_timestamp() - %(refreshing)s, false) as is_refreshing
    from app.sign_in_grants
    where grant_id = %(grant_id)s and revoked_at is null
    {lock}
"""


def _read(connection: Connection[Any], grant_id: int, *, locked: bool = False) -> _Grant:
    statement = sql.SQL(_READ).format(lock=sql.SQL("for no key update" if locked else ""))
    with connection.cursor(row_factory=class_row(_Grant)) as cursor:
        grant = cursor.execute(
            statement,
            {
                "grant_id": grant_id,
                "margin": MARGIN,
                "refreshing": timedelta(seconds=REFRESH_SECONDS),
            },
        ).fetchone()
    if grant is None:
        raise GrantEndedError
    return grant


def _end(database: Database, grant_id: int, grant: _Grant, reason: str) -> bool:
    """End a grant as it was read, and its sessions; False: it has other tokens by now."""
    with database.writing() as connection:
        try:
            now = _read(connection, grant_id, locked=True)
        except GrantEndedError:
            return True
        if now.access_token != grant.access_token:
            return False
        _forget_tokens(connection, grant_id)
        sessions = end_sessions_of_grant(connection, grant_id)
        audit.record(
            connection,
            "sign_in.ended",
            user_id=grant.user_id,
            reason=reason,
            session_count=sessions,
        )
    return True


def _forget_tokens(connection: Connection[Any], grant_id: int) -> None:
    connection.execute(
        """
        update app.sign_in_grants
        set revoked_at = now(), access_token = '', refresh_token = null
        where grant_id = %s
        """,
        [grant_id],
    )


def _encrypted(cipher: Cipher, tokens: Tokens) -> dict[str, Any]:
    refresh_token = tokens.refresh_token
    return {
        "access_token": cipher.encrypt(tokens.access_token),
        "access_seconds": tokens.access_seconds,
        "refresh_token": cipher.encrypt(refresh_token) if refresh_token else None,
        "refresh_seconds": tokens.refresh_seconds,
    }
