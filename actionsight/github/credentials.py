"""As whom GitHub is asked: nobody, the owner of a token, or an App's installation."""

import hashlib
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from actionsight.github.errors import BadCredentialError, ForbiddenError, MissingError
from actionsight.github.rate_limit.limiter import RateLimiter
from actionsight.github.token_cache import CachedToken, TokenCache

if TYPE_CHECKING:
    from actionsight.github.app import App

# An installation's token lives an hour: no request may outlive it.
RENEWED_BEFORE_SECONDS = 300
# A new one may be refused until all of GitHub knows it.
YOUNG_SECONDS = 30
# After a refusal it may have been mended at GitHub; until then nothing is asked.
REFUSED_SECONDS = 60


class Credential:
    """A token, or nobody, with its rate limit.

    Once it was refused it fails without asking, for a minute: GitHub locks out who goes on.

    Attributes:
        name: what people call it.
        rate_limiter: None: others count what is asked with it.
        remedy: what helps after a 401; `needs`: after a 403.
    """

    remedy = "Check ACTIONSIGHT_GITHUB_TOKEN: it is wrong or expired"
    needs: str | None = "The credential needs Metadata and Actions, read-only"

    def __init__(
        self, name: str, token: str | None, rate_limiter: RateLimiter | None = None
    ) -> None:
        self.name = name
        self.rate_limiter = rate_limiter
        self._fixed = token
        self._refusal: tuple[BadCredentialError, float] | None = None

    def token(self) -> str | None:
        """What to send.

        Raises:
            GitHubError: there is none.
        """
        self.check()
        return self._fixed

    def check(self) -> None:
        """See that it was not refused a moment ago.

        Raises:
            BadCredentialError: it was.
        """
        if self._refusal is not None and time.monotonic() < self._refusal[1]:
            raise self._refusal[0]

    def renew(self, refused: str | None, server_time: datetime | None) -> bool:  # noqa: ARG002
        """After a 401 for a token, at GitHub's time: whether there is another one to try."""
        return self.token() != refused

    def is_young(self, token: str | None) -> bool:  # noqa: ARG002
        """Whether a refusal may only mean that this token is not known everywhere yet."""
        return False

    def refuse(self, error: BadCredentialError) -> None:
        """Do not ask with it for a while."""
        self._refusal = error, time.monotonic() + REFUSED_SECONDS


class Installation(Credential):
    """An App's installation on an account.

    Its tokens are shared by all processes through the cache server, and renewed before they end.
    """

    remedy = "GitHub refuses the tokens that it gave the App: see the App's settings at GitHub"

    def __init__(
        self,
        name: str,
        rate_limiter: RateLimiter,
        app: "App",
        installation: Mapping[str, Any],
        token_cache: TokenCache,
        clock: Callable[[], float],
    ) -> None:
        super().__init__(name, None, rate_limiter)
        self.payload = installation
        self._id = int(installation["id"])
        self._app = app
        self._token_cache = token_cache
        self._clock = clock
        self._lock = threading.Lock()
        self._held: CachedToken | None = None

    def token(self) -> str:
        """A token that is good for some minutes at least.

        Raises:
            GitHubError: there is none.
        """
        self.check()
        with self._lock:
            now = self._clock()
            if self._held is None or self._held.renew_at <= now:
                self._held = self._token_cache.get(self._id, now) or self._new()
            return self._held.token

    def renew(self, refused: str | None, server_time: datetime | None) -> bool:  # noqa: ARG002
        """After a 401 for a token: make another one, unless there is one already.

        Raises:
            GitHubError: as `token`.
        """
        with self._lock:
            if self._held is None or self._held.token == refused:
                stored = self._token_cache.get(self._id, self._clock())
                is_another = stored is not None and stored.token != refused
                self._held = stored if is_another else self._new()
        return True

    def is_young(self, token: str | None) -> bool:
        """Whether it was made some seconds ago, by whichever process."""
        with self._lock:
            held = self._held
            return (
                held is not None
                and held.token == token
                and self._clock() < held.made_at + YOUNG_SECONDS
            )

    def _new(self) -> CachedToken:
        try:
            made = self._app.new_token(self._id)
        except (MissingError, ForbiddenError) as error:
            refusal = BadCredentialError(
                f"{error}. The App is not installed there any more, or suspended", self.name
            )
            self.refuse(refusal)
            raise refusal from None
        lives = max(0.0, made.lives_seconds - RENEWED_BEFORE_SECONDS)
        now = self._clock()
        token = CachedToken(made.token, now + lives, now)
        self._token_cache.put(self._id, token, lives)
        return token


def token_key(token: str | None) -> str:
    """A short name of a token that does not give it away."""
    return hashlib.sha256(token.encode()).hexdigest()[:16] if token else "anonymous"
