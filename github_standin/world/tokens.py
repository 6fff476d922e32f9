"""Codes, user access tokens and refresh tokens of the one App: how long they live, and their end.

A code lives ten minutes, a user access token eight hours, a refresh token half a year; codes and
refresh tokens serve once. Tokens are random, so that one from an earlier start means nobody now.
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

ACCESS_PREFIX = "ghu_"
REFRESH_PREFIX = "ghr_"

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
    access_expires_at: datetime
    refresh_expires_at: datetime


class Tokens:
    """All codes and tokens that still mean something. Not locked: the world's lock is held."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._codes: dict[str, Code] = {}
        self._tokens: list[UserToken] = []

    def new_code(self, user_id: int, redirect_uri: str, challenge: str | None = None) -> str:
        """A code for the App to redeem."""
        code = secrets.token_hex(10)
        expires_at = self._clock() + CODE_LIFETIME
        self._codes[code] = Code(user_id, redirect_uri, challenge, expires_at)
        return code

    def take_code(self, code: str) -> Code | None:
        """What *code* stands for; from now on it stands for nothing. None: used, too old, or never
        given."""
        taken = self._codes.pop(code, None)
        return taken if taken is not None and self._clock() < taken.expires_at else None

    def issue(self, user_id: int) -> UserToken:
        """A new pair of tokens."""
        now = self._clock()
        token = UserToken(
            user_id,
            _random(ACCESS_PREFIX, 36),
            _random(REFRESH_PREFIX, 76),
            now + ACCESS_LIFETIME,
            now + REFRESH_LIFETIME,
        )
        self._tokens.append(token)
        return token

    def refresh(self, refresh_token: str) -> UserToken | None:
        """A new pair for the old one, which ends. None: used, too old, revoked, or never given."""
        now = self._clock()
        for token in self._tokens:
            if token.refresh_token == refresh_token and now < token.refresh_expires_at:
                self._tokens.remove(token)
                return self.issue(token.user_id)
        return None

    def user_id_of(self, access_token: str) -> int | None:
        """Whose token it is; None: expired, revoked, or never given."""
        now = self._clock()
        for token in self._tokens:
            if token.access_token == access_token and now < token.access_expires_at:
                return token.user_id
        return None

    def expire(self, user_id: int) -> None:
        """Let the user's access tokens be too old from now on; their refresh tokens live on."""
        now = self._clock()
        self._tokens = [
            replace(token, access_expires_at=now) if token.user_id == user_id else token
            for token in self._tokens
        ]

    def revoke(self, access_token: str) -> None:
        """End this token and its refresh token."""
        self._tokens = [token for token in self._tokens if token.access_token != access_token]

    def revoke_all(self, user_id: int) -> None:
        """End every token and code of a user."""
        self._tokens = [token for token in self._tokens if token.user_id != user_id]
        self._codes = {code: of for code, of in self._codes.items() if of.user_id != user_id}


def _random(prefix: str, length: int) -> str:
    return prefix + "".join(secrets.choice(_ALPHABET) for _ in range(length))
