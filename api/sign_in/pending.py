"""Sign-ins under way: each is used once, within ten minutes, by the browser that began it."""

import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from psycopg import Connection
from psycopg.rows import TupleRow, tuple_row

from actionsight.encryption import Cipher, DecryptionError, hash_of
from api.errors import Problem

LIFETIME = timedelta(minutes=10)
# For so long an answer can say that a sign-in is too old or was used, and not only unknown.
_REMEMBERED = timedelta(hours=1)
_BROWSER_BYTES = 32
AGAIN = "Sign in again: POST /login."


@dataclass(frozen=True)
class PendingSignIn:
    """A sign-in that came back: PKCE's verifier, and where the user goes next."""

    verifier: str = field(repr=False)
    next_path: str | None


def begin(
    connection: Connection[Any],
    cipher: Cipher,
    *,
    state: str,
    verifier: str,
    next_path: str | None,
) -> str:
    """Keep a sign-in that begins; gives the value of the cookie that ties it to the browser."""
    browser = secrets.token_urlsafe(_BROWSER_BYTES)
    connection.execute("delete from app.sign_ins where created_at < now() - %s", [_REMEMBERED])
    connection.execute(
        """
        insert into app.sign_ins (state_hash, browser_hash, verifier, next_path)
        values (%s, %s, %s, %s)
        """,
        [hash_of(state), hash_of(browser), cipher.encrypt(verifier), next_path],
    )
    return browser


def redeem(
    connection: Connection[Any], cipher: Cipher, state: str, browser: str | None
) -> PendingSignIn:
    """Use up a sign-in. Another browser does not: whoever saw a state cannot spoil it.

    Args:
        browser: the value of the cookie; None: the browser sent none.

    Raises:
        Problem: 400, it is unknown, used, or too old; 403, another browser began it.
    """
    with connection.cursor(row_factory=tuple_row) as cursor:
        taken = cursor.execute(
            """
            update app.sign_ins set used_at = now()
            where state_hash = %s
                and browser_hash = %s
                and used_at is null
                and created_at > now() - %s
            returning verifier, next_path
            """,
            [hash_of(state), hash_of(browser or ""), LIFETIME],
        ).fetchone()
        if taken is None:
            raise _refusal(cursor.execute(_FIND, [LIFETIME, hash_of(state)]).fetchone())
    verifier, next_path = taken
    try:
        return PendingSignIn(cipher.decrypt(verifier), next_path)
    except DecryptionError:
        raise Problem(
            HTTPStatus.BAD_REQUEST, f"The secret key changed during the sign-in. {AGAIN}"
        ) from None


_FIND = """
    select used_at is not null, created_at <= now() - %s
    from app.sign_ins
    where state_hash = %s
"""


def _refusal(found: TupleRow | None) -> Problem:
    if found is None:
        return Problem(HTTPStatus.BAD_REQUEST, f"Nobody began this sign-in here. {AGAIN}")
    is_used, is_old = found
    if is_used:
        return Problem(HTTPStatus.BAD_REQUEST, f"This sign-in was used already. {AGAIN}")
    if is_old:
        minutes = int(LIFETIME.total_seconds() // 60)
        return Problem(
            HTTPStatus.BAD_REQUEST, f"This sign-in took longer than {minutes} minutes. {AGAIN}"
        )
    return Problem(
        HTTPStatus.FORBIDDEN,
        f"Another browser began this sign-in, or this one sent no cookies. {AGAIN}",
    )
