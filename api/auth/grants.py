"""Grants: the tokens that GitHub gave at a sign-in, encrypted, refreshed while they are needed.

A refresh token serves once. Whoever refreshes holds the grant's row, and what GitHub gave is
committed before the row is free again. A grant that ended keeps no tokens.

Where these functions say that they commit, they commit what the connection has done before, too:
what GitHub said must last whatever comes next, and a row that is held while another is waited for
could be waited for in turn.
"""

import logging
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from psycopg import Connection, sql
from psycopg.rows import class_row, scalar_row

from actionsight import audit
from actionsight.encryption import Cipher, DecryptionError
from actionsight.settings import Settings
from api.auth import github_tokens
from api.auth.github_tokens import ClientRefusedError, GitHubAwayError, TokenRefusedError, Tokens
from api.auth.sessions import end_sessions_of_grant

# A token is refreshed that early, so that a request that has begun can be finished with it.
MARGIN = timedelta(minutes=5)
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


def access_token(
    connection: Connection[Any], cipher: Cipher, settings: Settings, grant_id: int
) -> str:
    """The person's token, refreshed when it is about to expire; then it commits.

    Raises:
        GrantEndedError: GitHub refused, or the grant had ended; its sessions have ended, too.
        GitHubAwayError: the token has expired, and GitHub cannot be asked for another.
        ClientRefusedError: the same, because GitHub does not know this installation.
    """
    grant = _read(connection, grant_id)
    if not grant.is_refresh_due:
        try:
            return cipher.decrypt(grant.access_token)
        except DecryptionError:
            logger.warning("grant %d: %s", grant_id, _UNREADABLE)
    connection.commit()
    token = None
    with connection.transaction():
        grant = _read(connection, grant_id, locked=True)  # another request may have refreshed it
        try:
            token = _current_or_refreshed(connection, cipher, settings, grant_id, grant)
        except TokenRefusedError:
            _end(connection, grant_id, grant.user_id, _REFUSED)
        except DecryptionError:
            _end(connection, grant_id, grant.user_id, _UNREADABLE)
    if token is None:
        raise GrantEndedError
    return token


def note_refusal(connection: Connection[Any], cipher: Cipher, grant_id: int, token: str) -> None:
    """Note that GitHub answered 401 to a token that `access_token` gave.

    Returns when the grant has a newer token by now, which is worth another try. Commits.

    Raises:
        GrantEndedError: the grant and its sessions have ended.
    """
    connection.commit()
    with connection.transaction():
        grant = _read(connection, grant_id, locked=True)
        try:
            is_current = cipher.decrypt(grant.access_token) == token
        except DecryptionError:
            is_current = True
        if is_current:
            _end(connection, grant_id, grant.user_id, _REFUSED)
    if is_current:
        raise GrantEndedError


def revoke(
    connection: Connection[Any], cipher: Cipher, settings: Settings, grant_id: int, *, reason: str
) -> None:
    """End a grant here, commit, and then end its token at GitHub.

    When GitHub is away its token is left to expire there, known to nobody; the log and the audit
    log say so.
    """
    connection.commit()
    with connection.transaction():
        try:
            grant = _read(connection, grant_id, locked=True)
        except GrantEndedError:
            return
        _forget_tokens(connection, grant_id)
        end_sessions_of_grant(connection, grant_id)
    is_revoked = _revoke_at_github(cipher, settings, grant_id, grant)
    audit.record(
        connection,
        "sign_in.ended",
        user_id=grant.user_id,
        reason=reason,
        is_token_revoked_at_github=is_revoked,
    )


def _revoke_at_github(cipher: Cipher, settings: Settings, grant_id: int, grant: _Grant) -> bool:
    try:
        token = cipher.decrypt(grant.access_token)
        if grant.is_expired and grant.is_refreshable and grant.refresh_token:
            # An expired token cannot be revoked, and its refresh token would live on for months.
            refresh_token = cipher.decrypt(grant.refresh_token)
            token = github_tokens.refresh(settings, refresh_token).access_token
        github_tokens.revoke(settings, token)
    except TokenRefusedError:
        return True  # it had ended before
    except (GitHubAwayError, ClientRefusedError, DecryptionError) as error:
        logger.warning("grant %d: its token is not revoked at GitHub: %r", grant_id, error)
        return False
    return True


def _current_or_refreshed(
    connection: Connection[Any], cipher: Cipher, settings: Settings, grant_id: int, grant: _Grant
) -> str:
    current = cipher.decrypt(grant.access_token)
    if not grant.is_refresh_due:
        return current
    if grant.refresh_token is None or not grant.is_refreshable:
        if grant.is_expired:
            raise TokenRefusedError
        return current
    try:
        tokens = github_tokens.refresh(settings, cipher.decrypt(grant.refresh_token))
    except (GitHubAwayError, ClientRefusedError):
        if grant.is_expired:
            raise
        return current
    connection.execute(
        """
        update app.sign_in_grants set
            access_token = %(access_token)s,
            access_expires_at = now() + make_interval(secs => %(access_seconds)s),
            refresh_token = %(refresh_token)s,
            refresh_expires_at = now() + make_interval(secs => %(refresh_seconds)s)
        where grant_id = %(grant_id)s
        """,
        {"grant_id": grant_id, **_encrypted(cipher, tokens)},
    )
    return tokens.access_token


_READ = """
    select
        user_id,
        access_token,
        refresh_token,
        coalesce(access_expires_at <= clock_timestamp(), false) as is_expired,
        coalesce(access_expires_at <= clock_timestamp() + %(margin)s, false) as is_refresh_due,
        coalesce(refresh_expires_at > clock_timestamp(), true) as is_refreshable
    from app.sign_in_grants
    where grant_id = %(grant_id)s and revoked_at is null
    {lock}
"""


def _read(connection: Connection[Any], grant_id: int, *, locked: bool = False) -> _Grant:
    statement = sql.SQL(_READ).format(lock=sql.SQL("for no key update" if locked else ""))
    with connection.cursor(row_factory=class_row(_Grant)) as cursor:
        grant = cursor.execute(statement, {"grant_id": grant_id, "margin": MARGIN}).fetchone()
    if grant is None:
        raise GrantEndedError
    return grant


def _end(connection: Connection[Any], grant_id: int, user_id: int, reason: str) -> None:
    _forget_tokens(connection, grant_id)
    sessions = end_sessions_of_grant(connection, grant_id)
    audit.record(
        connection, "sign_in.ended", user_id=user_id, reason=reason, session_count=sessions
    )


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
