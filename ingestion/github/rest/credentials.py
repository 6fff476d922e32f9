"""As whom GitHub is asked: a personal access token, or nobody."""

import hashlib

from ingestion.github.rest.budget import Budget
from ingestion.github.rest.errors import BadCredentialError


class Credential:
    """One credential with its budget; once it was refused for good, it fails without asking."""

    def __init__(self, budget: Budget, token: str | None) -> None:
        self.budget = budget
        self._token = token
        self._refusal: BadCredentialError | None = None

    @property
    def name(self) -> str:
        """What people call it."""
        return self.budget.credential

    @property
    def remedy(self) -> str:
        """What to do when it is refused."""
        return "Check ACTIONSIGHT_GITHUB_TOKEN: it is wrong or expired"

    def token(self) -> str | None:
        """What to send.

        Raises:
            BadCredentialError: it was refused before.
        """
        if self._refusal is not None:
            raise self._refusal
        return self._token

    def renew(self, refused: str | None) -> bool:
        """After a 401 for a token: whether another one can be tried."""
        return False

    def refuse(self, error: BadCredentialError) -> None:
        """Never ask with it again."""
        self._refusal = error


def token_key(token: str | None) -> str:
    """A short name of a token that does not give it away."""
    return hashlib.sha256(token.encode()).hexdigest()[:16] if token else "anonymous"
