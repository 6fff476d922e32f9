"""As whom GitHub is asked: nobody, or the owner of a token (installation.py: as an App)."""

import hashlib
import time
from datetime import datetime

from actionsight.github.errors import BadCredentialError
from actionsight.github.rate_limit.limiter import RateLimiter

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


def token_key(token: str | None) -> str:
    """A short name of a token that does not give it away."""
    return hashlib.sha256(token.encode()).hexdigest()[:16] if token else "anonymous"
