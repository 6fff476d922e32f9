"""What an App signs with its key, and the tokens of its installations.

A token lives an hour of the real time: a client reckons by its own clock. Tokens are random, and
longer than forty characters, as GitHub's have become.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from jwt.types import Options

TOKEN_PREFIX = "ghs_"  # noqa: S105

LIFETIME = timedelta(hours=1)

_LONGEST_ASSERTION = timedelta(minutes=10)


# What it claims is checked here, by this module's clock and in GitHub's words.
_ONLY_THE_SIGNATURE: Options = {
    "verify_signature": True,
    "verify_exp": False,
    "verify_iat": False,
    "verify_nbf": False,
    "verify_iss": False,
    "verify_aud": False,
}


class InvalidAssertionError(ValueError):
    """The JSON web token is none that GitHub takes."""


@dataclass(frozen=True)
class InstallationToken:
    """A token of an installation; *repository_ids* None: of all repositories that it covers."""

    token: str = field(repr=False)
    installation_id: int
    repository_ids: frozenset[int] | None
    permissions: dict[str, str]
    expires_at: datetime

    def grants(self, permission: str, access: str) -> bool:
        """Whether it carries *permission* ("read" or "write")."""
        granted = self.permissions.get(permission)
        return granted == access or granted == "write"


class InstallationTokens:
    """The tokens that still mean something. Not locked: the world's lock is held."""

    def __init__(self) -> None:
        self.clock: Callable[[], datetime] = lambda: datetime.now(UTC)
        self._tokens: dict[str, InstallationToken] = {}

    def issue(
        self,
        installation_id: int,
        permissions: dict[str, str],
        repository_ids: frozenset[int] | None = None,
    ) -> InstallationToken:
        """A new token."""
        expires_at = self.clock().replace(microsecond=0) + LIFETIME
        made = TOKEN_PREFIX + secrets.token_hex(46)
        token = InstallationToken(made, installation_id, repository_ids, permissions, expires_at)
        self._tokens[made] = token
        return token

    def of(self, token: str) -> InstallationToken | None:
        """What *token* stands for; None: expired, revoked, or never given."""
        found = self._tokens.get(token)
        return found if found is not None and self.clock() < found.expires_at else None

    def expire(self, installation_id: int) -> None:
        """Let every token of the installation be too old from now on."""
        now = self.clock()
        for of in list(self._tokens.values()):
            if of.installation_id == installation_id:
                self._tokens[of.token] = replace(of, expires_at=now)

    def revoke(self, token: str) -> None:
        """End this token."""
        self._tokens.pop(token, None)


def check_assertion(
    assertion: str, public_key: str | None, issuers: tuple[str, ...], now: datetime
) -> None:
    """Raise `InvalidAssertionError` unless *assertion* is a JSON web token, signed with the App's
    key, that lives at *now*."""
    if public_key is None:
        raise InvalidAssertionError("Integration not found")
    try:
        claims: dict[str, Any] = jwt.decode(
            assertion,
            public_key,
            algorithms=["RS256"],
            options=_ONLY_THE_SIGNATURE,
        )
    except jwt.InvalidTokenError as reason:
        raise InvalidAssertionError("A JSON web token could not be decoded") from reason
    issued, ends = claims.get("iat"), claims.get("exp")
    if str(claims.get("iss")) not in issuers:
        raise InvalidAssertionError("Integration not found")
    if not isinstance(issued, int | float) or issued > now.timestamp():
        raise InvalidAssertionError(
            "'Issued at' claim ('iat') must be an Integer representing the time that the assertion"
            " was issued"
        )
    if not isinstance(ends, int | float) or ends <= now.timestamp():
        raise InvalidAssertionError(
            "'Expiration time' claim ('exp') must be a numeric value representing the future time"
            " at which the assertion expires"
        )
    if ends > (now + _LONGEST_ASSERTION).timestamp():
        raise InvalidAssertionError("'Expiration time' claim ('exp') is too far in the future")
