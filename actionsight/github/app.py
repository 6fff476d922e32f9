"""A GitHub App as itself: what it is installed on, and tokens for its installations."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import jwt

from actionsight.github.client import GitHubClient
from actionsight.github.credentials import Credential
from actionsight.github.errors import BadCredentialError, UnexpectedResponseError
from actionsight.github.pagination import Payload, get_object, iter_items
from actionsight.github.rate_limit.models import Priority
from actionsight.github.retries import RetryPolicy
from actionsight.github.transport import Transport

ALGORITHM = "RS256"
LONGEST_LIFE_SECONDS = 3600
# GitHub takes an assertion of ten minutes, and refuses one of its own future.
ASSERTION_SECONDS = 540
ISSUED_BEFORE_SECONDS = 60
# GitHub tolerates about a minute; further off, its own clock is what counts.
TOLERATED_SKEW_SECONDS = 30


@dataclass(frozen=True)
class NewToken:
    """An installation's token, and for how many seconds from now it is good."""

    token: str
    lives_seconds: float

    def __repr__(self) -> str:
        return f"NewToken(lives_seconds={self.lives_seconds})"


class AppCredential(Credential):
    """A GitHub App by its id and private key, which sign an assertion for each request."""

    remedy = "Check ACTIONSIGHT_GITHUB_APP_ID and ACTIONSIGHT_GITHUB_APP_PRIVATE_KEY"
    needs = None

    def __init__(self, app_id: str, private_key: str) -> None:
        super().__init__("app", None)
        self._app_id = app_id
        self._private_key = private_key
        self._skew_seconds = 0

    def token(self) -> str:
        """An assertion that is good for some minutes, by GitHub's clock as far as that is known.

        Raises:
            BadCredentialError: it was refused a moment ago, or the key cannot be read.
        """
        self.check()
        now = int(time.time()) + self._skew_seconds
        claims = {
            "iat": now - ISSUED_BEFORE_SECONDS,
            "exp": now + ASSERTION_SECONDS,
            "iss": self._app_id,
        }
        try:
            return jwt.encode(claims, self._key, algorithm=ALGORITHM)
        except (jwt.PyJWTError, ValueError, TypeError):
            # Its text may quote the key.
            raise BadCredentialError(
                "ACTIONSIGHT_GITHUB_APP_PRIVATE_KEY is no RSA key", self.name
            ) from None

    @cached_property
    def _key(self) -> Any:
        """The private key, read once: to see that its numbers fit together takes 0.1 s."""
        return jwt.get_algorithm_by_name(ALGORITHM).prepare_key(self._private_key)

    def renew(self, refused: str | None, server_time: datetime | None) -> bool:  # noqa: ARG002
        """After a 401: whether the clocks differ by more than was known, so that another try makes
        sense."""
        if server_time is None:
            return False
        skew = round(server_time.timestamp() - time.time())
        if abs(skew - self._skew_seconds) <= TOLERATED_SKEW_SECONDS:
            return False
        self._skew_seconds = skew
        return True


class App:
    """A GitHub App; thread-safe.

    Attributes:
        client: asks in its own name.
    """

    def __init__(
        self, transport: Transport, app_id: str, private_key: str, retry_policy: RetryPolicy
    ) -> None:
        credential = AppCredential(app_id, private_key)
        # GitHub counts what it asks as itself by none of the limits that others share.
        self.client = GitHubClient(
            transport, lambda: credential, Priority.INTERACTIVE, retry_policy
        )

    def description(self) -> Payload:
        """What GitHub says of the App: its name, its permissions.

        Raises:
            GitHubError: it cannot be had.
        """
        return _with(get_object(self.client, "/app"), "slug")

    def installations(self) -> list[Payload]:
        """The installations on users and organizations: their ids, accounts, permissions, what
        they were given. One on an enterprise has no repositories of its own.

        Raises:
            GitHubError: they cannot be listed.
        """
        return list(filter(_is_on_owner, iter_items(self.client, "/app/installations")))

    def installation_of(self, full_name: str) -> Payload:
        """The installation that a repository belongs to.

        Raises:
            GitHubError: it cannot be had; MissingError: there is none.
        """
        return get_object(self.client, f"/repos/{full_name}/installation")

    def webhook(self) -> Payload:
        """Where the App itself delivers.

        Raises:
            GitHubError: it cannot be had; MissingError: nowhere.
        """
        return get_object(self.client, "/app/hook/config")

    def set_webhook_secret(self, secret: str) -> None:
        """Let GitHub sign what the App itself delivers with another secret.

        Raises:
            GitHubError: it does not; MissingError: the App has no webhook.
        """
        self.client.patch("/app/hook/config", {"secret": secret})

    def new_token(self, installation_id: int) -> NewToken:
        """Make a token for an installation.

        Raises:
            GitHubError: there is none; MissingError: the App is not installed there any more;
                ForbiddenError: the installation is suspended.
        """
        path = f"/app/installations/{installation_id}/access_tokens"
        made = _with(self.client.post(path, {}, is_repeatable=True).body, "token", "expires_at")
        try:
            ends_at = datetime.fromisoformat(made["expires_at"])
            # One of the two clocks may be wrong; a wrong guess costs a 401, and a new token then.
            clocks = filter(None, [self.client.server_time, datetime.now(UTC)])
            lives_seconds = max((ends_at - now).total_seconds() for now in clocks)
        except (TypeError, ValueError):
            raise UnexpectedResponseError(f"GitHub's answer for {path} names no time") from None
        return NewToken(str(made["token"]), min(lives_seconds, LONGEST_LIFE_SECONDS))


def _is_on_owner(installation: Payload) -> bool:
    account = installation.get("account")
    return (
        isinstance(installation.get("id"), int)
        and isinstance(account, Mapping)
        and isinstance(account.get("login"), str)
    )


def _with(body: Any, *names: str) -> Payload:
    if not isinstance(body, Mapping) or any(name not in body for name in names):
        raise UnexpectedResponseError(f"GitHub's answer to the App lacks {' or '.join(names)}")
    return body
