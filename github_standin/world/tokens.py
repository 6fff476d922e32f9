"""Codes of the one App, and tokens of its users and its installations: how long they live, and
their end.

A code lives ten minutes, a user access token eight hours, a refresh token half a year, the token of
an installation an hour; codes and refresh tokens serve once. Tokens are random, so that one from an
earlier start means nothing now.
"""

import hashlib
import hmac
import secrets
import string
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

CODE_LIFETIME = timedelta(minutes=10)
ACCESS_LIFETIME = timedelta(hours=8)
REFRESH_LIFETIME = timedelta(seconds=15_897_600)
INSTALLATION_LIFETIME = timedelta(hours=1)

USER_PREFIX = "ghu_"
REFRESH_PREFIX = "ghr_"
INSTALLATION_PREFIX = "ghs_"

PREFIXES = (USER_PREFIX, REFRESH_PREFIX, INSTALLATION_PREFIX)
"""What begins with one of them was issued here, or means nothing."""

_ALPHABET = string.ascii_letters + string.digits


@dataclass(frozen=True)
class Code:
    """What a person's consent gave to the App. *challenge*: PKCE's, made by S256; None: none was
    given."""

    user_id: int
    redirect_uri: str
    challenge: str | None
    expires_at: datetime

    def is_answered_by(self, verifier: str | None) -> bool:
        """Whether *verifier* belongs to the challenge; without a challenge anything does."""
        if self.challenge is None:
            return True
        digest = hashlib.sha256((verifier or "").encode()).digest()
        made = urlsafe_b64encode(digest).rstrip(b"=")
        return verifier is not None and hmac.compare_digest(made, self.challenge.encode())


@dataclass(frozen=True)
class UserToken:
    """A user access token and the refresh token that came with it."""

    user_id: int
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_at: datetime
    refresh_expires_at: datetime


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


class Tokens:
    """All codes and tokens that still mean something. Not locked: the world's lock is held.

    `clock` is the one by which they live; it may be set at any time.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.clock = clock
        self._codes: dict[str, Code] = {}
        self._tokens: dict[str, UserToken | InstallationToken] = {}

    def find(self, token: str) -> UserToken | InstallationToken | None:
        """What an access token stands for; None: expired, revoked, or never given."""
        found = self._tokens.get(token)
        return found if found is not None and self.clock() < found.expires_at else None

    def revoke(self, token: str) -> None:
        """End this access token, and the refresh token that came with it."""
        self._tokens.pop(token, None)

    # users

    def new_code(self, user_id: int, redirect_uri: str, challenge: str | None = None) -> str:
        """A code for the App to redeem."""
        code = secrets.token_hex(10)
        expires_at = self.clock() + CODE_LIFETIME
        self._codes[code] = Code(user_id, redirect_uri, challenge, expires_at)
        return code

    def take_code(self, code: str) -> Code | None:
        """What *code* stands for; from now on it stands for nothing. None: used, too old, or never
        given."""
        taken = self._codes.pop(code, None)
        return taken if taken is not None and self.clock() < taken.expires_at else None

    def issue_to_user(self, user_id: int) -> UserToken:
        """A new pair of tokens."""
        now = self.clock()
        access_token, refresh_token = _random(USER_PREFIX, 36), _random(REFRESH_PREFIX, 76)
        token = UserToken(
            user_id, access_token, refresh_token, now + ACCESS_LIFETIME, now + REFRESH_LIFETIME
        )
        self._tokens[access_token] = token
        return token

    def refresh(self, refresh_token: str) -> UserToken | None:
        """A new pair for the old one, which ends. None: used, too old, revoked, or never given."""
        for token in self._tokens.values():
            if isinstance(token, UserToken) and token.refresh_token == refresh_token:
                if self.clock() >= token.refresh_expires_at:
                    return None
                self.revoke(token.access_token)
                return self.issue_to_user(token.user_id)
        return None

    def expire_of_user(self, user_id: int) -> None:
        """Let the user's access tokens be too old from now on; their refresh tokens live on."""
        now = self.clock()
        for token in self._of_user(user_id):
            self._tokens[token.access_token] = replace(token, expires_at=now)

    def revoke_of_user(self, user_id: int) -> None:
        """End every token and code of a user."""
        for token in self._of_user(user_id):
            self.revoke(token.access_token)
        self._codes = {code: of for code, of in self._codes.items() if of.user_id != user_id}

    def _of_user(self, user_id: int) -> list[UserToken]:
        of_users = (token for token in self._tokens.values() if isinstance(token, UserToken))
        return [token for token in of_users if token.user_id == user_id]

    # installations

    def issue_to_installation(
        self,
        installation_id: int,
        permissions: dict[str, str],
        repository_ids: frozenset[int] | None = None,
    ) -> InstallationToken:
        """A new token, longer than forty characters, as GitHub's have become."""
        expires_at = self.clock().replace(microsecond=0) + INSTALLATION_LIFETIME
        made = INSTALLATION_PREFIX + secrets.token_hex(46)
        token = InstallationToken(made, installation_id, repository_ids, permissions, expires_at)
        self._tokens[made] = token
        return token

    def expire_of_installation(self, installation_id: int) -> None:
        """Let every token of the installation be too old from now on."""
        now = self.clock()
        for token in list(self._tokens.values()):
            if isinstance(token, InstallationToken) and token.installation_id == installation_id:
                self._tokens[token.token] = replace(token, expires_at=now)


def _random(prefix: str, length: int) -> str:
    return prefix + "".join(secrets.choice(_ALPHABET) for _ in range(length))
