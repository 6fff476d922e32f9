"""As an App's installation on an account GitHub is asked with tokens that live an hour."""

import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from actionsight.github.credentials import Credential
from actionsight.github.errors import BadCredentialError, ForbiddenError, MissingError
from actionsight.github.rate_limit.limiter import RateLimiter
from actionsight.github.token_cache import CachedToken, TokenCache

if TYPE_CHECKING:
    from actionsight.github.app import App

# No request may outlive the token that it was begun with.
RENEWED_BEFORE_SECONDS = 300
# A new one may be refused until all of GitHub knows it.
YOUNG_SECONDS = 30


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
