"""A GitHub App as itself: what it is installed on, and tokens for its installations.

PyGithub signs and asks; here are only its failures in our words, tries again, and the clock.
"""

import functools
import itertools
import logging
import os
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, TypeVar

import requests
from github import Auth, GithubException, GithubIntegration
from github.InstallationAuthorization import InstallationAuthorization

from actionsight.github.errors import (
    BadCredentialError,
    ForbiddenError,
    GitHubError,
    MissingError,
    RateLimitError,
    UnavailableError,
)
from actionsight.github.rate_limit.models import names_a_rate_limit
from actionsight.github.retries import RetryPolicy
from actionsight.github.transport import API_VERSION, USER_AGENT

NAME = "app"
TIMEOUT_SECONDS = 15
PER_PAGE = 100
LONGEST_LIFE_SECONDS = 3600
# GitHub tolerates about a minute; further off, its own clock is what counts.
TOLERATED_SKEW_SECONDS = 30

# Its debugging output holds whole answers, tokens included.
logging.getLogger("github.Requester").setLevel(logging.INFO)

T = TypeVar("T")
_MISUNDERSTOOD = (ValueError, TypeError, AttributeError, AssertionError)


@dataclass(frozen=True)
class NewToken:
    """An installation's token, and for how many seconds from now it is good."""

    token: str
    lives_seconds: float

    def __repr__(self) -> str:
        return f"NewToken(lives_seconds={self.lives_seconds})"


class App:
    """A GitHub App, by its id and private key; thread-safe."""

    def __init__(
        self,
        api_url: str,
        app_id: str,
        private_key: str,
        retry_policy: RetryPolicy,
        ca_file: Path | None = None,
    ) -> None:
        self._retry_policy = retry_policy
        self._lock = threading.Lock()
        self._skew_seconds = 0
        self._refusal: BadCredentialError | None = None
        sign = Auth.AppAuth.create_jwt_sign(private_key, "RS256")
        # requests takes one file for all authorities.
        self._trusted = _bundle(ca_file) if ca_file else None
        self._github = GithubIntegration(
            auth=Auth.AppAuth(app_id, sign_func=lambda claims: sign(self._by_their_clock(claims))),
            base_url=api_url,
            timeout=TIMEOUT_SECONDS,
            user_agent=USER_AGENT,
            retry=None,
            seconds_between_requests=None,
            seconds_between_writes=None,
            lazy=True,
            api_version=API_VERSION,
            verify=self._trusted.name if self._trusted else True,
        )

    def description(self) -> Mapping[str, Any]:
        """What GitHub says of the App: its name, its permissions.

        Raises:
            GitHubError: it cannot be had; BadCredentialError: for good.
        """
        return self._ask(
            lambda: _with(self._github.requester.requestJsonAndCheck("GET", "/app")[1], "slug")
        )

    def installations(self) -> list[Mapping[str, Any]]:
        """The installations on users and organizations: their ids, accounts, permissions, what
        they were given. One on an enterprise has no repositories of its own.

        Raises:
            GitHubError: as `description`.
        """
        found: list[Mapping[str, Any]] = []
        for page in itertools.count(1):
            listed = self._ask(functools.partial(self._installations_page, page))
            found += filter(_is_on_owner, listed)
            if len(listed) < PER_PAGE:
                break
        return found

    def new_token(self, installation_id: int) -> NewToken:
        """Make a token for an installation.

        Raises:
            GitHubError: as `description`; MissingError: the App is not installed there any more;
                ForbiddenError: the installation is suspended.
        """

        def make() -> InstallationAuthorization:
            made = self._github.get_access_token(installation_id)
            _with(made.raw_data, "token", "expires_at")
            return made

        made = self._ask(make)
        # One of the two clocks may be wrong; a wrong guess costs a 401, after which it is renewed.
        clocks = filter(None, [_time_of(made.raw_headers), datetime.now(UTC)])
        lives = max((made.expires_at - now).total_seconds() for now in clocks)
        return NewToken(made.token, min(lives, LONGEST_LIFE_SECONDS))

    def close(self) -> None:
        """Close its connections."""
        self._github.close()
        if self._trusted is not None:
            self._trusted.close()

    def _installations_page(self, page: int) -> list[Any]:
        # PyGithub's own list takes an empty answer for an empty list.
        asked = {"per_page": PER_PAGE, "page": page}
        body = self._github.requester.requestJsonAndCheck("GET", "/app/installations", asked)[1]
        if not isinstance(body, list):
            raise ValueError("not the answer that was asked for")
        return body

    def _by_their_clock(self, claims: dict[str, Any]) -> dict[str, Any]:
        times = {name: claims[name] + self._skew_seconds for name in ("iat", "exp")}
        return {**claims, **times}

    def _ask(self, question: Callable[[], T]) -> T:
        with self._lock:
            if self._refusal is not None:
                raise self._refusal
            faults = 0
            while True:
                try:
                    return question()
                except GithubException as error:
                    if error.status == 401 and self._has_learned_the_time(error):
                        continue
                    failure = _failure(error)
                # PyGithub takes a page for people as an answer, and stumbles over it later.
                except (requests.RequestException, *_MISUNDERSTOOD) as error:
                    failure = UnavailableError(
                        f"GitHub gave {type(error).__name__} where the App asks"
                    )
                faults += 1
                if isinstance(failure, BadCredentialError):
                    self._refusal = failure
                if not isinstance(failure, UnavailableError) or faults >= self._retry_policy.tries:
                    raise failure from None
                self._retry_policy.wait_before_retry(faults)

    def _has_learned_the_time(self, error: GithubException) -> bool:
        """Whether the clocks differ by more than was known, so that another try makes sense."""
        theirs = _time_of(error.headers)
        if theirs is None:
            return False
        skew = round((theirs - datetime.now(UTC)).total_seconds())
        if abs(skew - self._skew_seconds) <= TOLERATED_SKEW_SECONDS:
            return False
        self._skew_seconds = skew
        return True


def _failure(error: GithubException) -> GitHubError:
    says = error.data.get("message") if isinstance(error.data, dict) else None
    message = f"GitHub answers the App {error.status}: {says or 'no reason given'}"
    if error.status == 401:
        return BadCredentialError(
            f"{message}. Check ACTIONSIGHT_GITHUB_APP_ID and ACTIONSIGHT_GITHUB_APP_PRIVATE_KEY",
            NAME,
        )
    if error.status in (404, 410, 451):
        return MissingError(message, error.status)
    if error.status == 429 or names_a_rate_limit(str(says)):
        return RateLimitError(message, NAME)
    if error.status == 403:
        return ForbiddenError(message)
    return UnavailableError(message)


def _bundle(ca_file: Path) -> "tempfile._TemporaryFileWrapper[bytes]":
    """The usual authorities and those of a file, as a file while it is open."""
    bundle = tempfile.NamedTemporaryFile(suffix=".pem")  # noqa: SIM115 as long as the App
    usual = os.environ.get("REQUESTS_CA_BUNDLE") or requests.utils.DEFAULT_CA_BUNDLE_PATH
    bundle.write(Path(usual).read_bytes() + b"\n" + ca_file.read_bytes())
    bundle.flush()
    return bundle


def _is_on_owner(installation: Any) -> bool:
    if not isinstance(installation, dict) or not isinstance(installation.get("id"), int):
        return False
    account = installation.get("account")
    return isinstance(account, dict) and isinstance(account.get("login"), str)


def _with(body: Any, *names: str) -> Mapping[str, Any]:
    if not isinstance(body, dict) or any(name not in body for name in names):
        raise ValueError("not the answer that was asked for")
    return body


def _time_of(headers: Mapping[str, Any] | None) -> datetime | None:
    try:
        return parsedate_to_datetime(str((headers or {})["date"])).astimezone(UTC)
    except (KeyError, ValueError):
        return None
