"""Tokens of an App's installations in the cache server, encrypted, for all processes."""

import hashlib
import logging
from dataclasses import dataclass

import orjson
import redis

from actionsight.encryption import Cipher, DecryptionError

logger = logging.getLogger(__name__)

PREFIX = "actionsight:github:token"


@dataclass(frozen=True)
class CachedToken:
    """A token, when it was made, and the time from which on another one is to be used."""

    token: str
    renew_at: float
    made_at: float

    def __repr__(self) -> str:
        return f"CachedToken(renew_at={self.renew_at})"


class TokenCache:
    """Where a process leaves tokens for the others; without it each makes its own."""

    def __init__(self, server: redis.Redis | None, secret_key: str | None, app: str) -> None:
        """`app`: what tells Apps and servers of GitHub apart."""
        self._server = server if secret_key else None
        self._cipher = Cipher(secret_key or "")
        self._app = hashlib.sha256(app.encode()).hexdigest()[:16]

    def get(self, installation_id: int, now: float) -> CachedToken | None:
        """The token of an installation, if there is one that is good for some time."""
        if self._server is None:
            return None
        try:
            encrypted = self._server.get(self._key(installation_id))
            if not isinstance(encrypted, bytes):
                return None
            read = orjson.loads(self._cipher.decrypt(encrypted))
        except (redis.RedisError, DecryptionError) as error:
            logger.debug("no token from the cache server: %s", type(error).__name__)
            return None
        found = CachedToken(read["token"], read["renew_at"], read.get("made_at", 0.0))
        return found if found.renew_at > now else None

    def put(self, installation_id: int, token: CachedToken, seconds: float) -> None:
        """Leave a token for so long."""
        if self._server is None or seconds < 1:
            return
        text = orjson.dumps(
            {"token": token.token, "renew_at": token.renew_at, "made_at": token.made_at}
        ).decode()
        try:
            self._server.set(
                self._key(installation_id), self._cipher.encrypt(text), ex=int(seconds)
            )
        except redis.RedisError as error:
            logger.debug("no token left in the cache server: %s", type(error).__name__)

    def _key(self, installation_id: int) -> str:
        return f"{PREFIX}:{self._app}:{installation_id}"
