"""GitHub's REST API: one client that pages, waits out limits, and tells kinds of failure apart."""

import logging
import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import orjson
import requests

from ingestion.github.rest.errors import (
    BadCredentialError,
    ForbiddenError,
    GitHubError,
    MissingError,
    RateLimitError,
    UnavailableError,
    UnexpectedAnswerError,
)

logger = logging.getLogger(__name__)

API_VERSION = "2022-11-28"
USER_AGENT = "actionsight"
MISSING = (404, 410, 451)
# GitHub itself aborts a request after 10 s; the rest is for the way.
TIMEOUT_SECONDS = (10, 30)


@dataclass(frozen=True)
class Patience:
    """How long to go on after a failure.

    A fault (5xx, broken connection, unreadable body) is tried `tries` times, with waits from
    `first_wait_seconds`, doubling, jittered. A rate limit is waited out when that takes at most
    `longest_wait_seconds`; one that names no time, for `unnamed_limit_wait_seconds`, doubling.
    """

    tries: int = 5
    first_wait_seconds: float = 1.0
    longest_wait_seconds: float = 900.0
    unnamed_limit_wait_seconds: float = 60.0
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True)
class RateLimit:
    """The primary limit as GitHub last stated it."""

    limit: int
    remaining: int
    resets_at: datetime


@dataclass(frozen=True)
class Answer:
    """A successful answer: its JSON, and the address of the next page if there is one."""

    body: Any
    next_url: str | None


class _Token(requests.auth.AuthBase):
    # An auth object, even without a token, keeps requests from reading ~/.netrc.
    def __init__(self, token: str | None) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


@dataclass
class GitHubClient:
    """GETs of one credential, or of none; counts its requests and remembers the rate limit.

    Redirects (renamed repositories) are followed; the token goes to the API's own host alone and
    never into a log or an error.
    """

    api_url: str
    token: str | None = field(default=None, repr=False)
    patience: Patience = field(default_factory=Patience)
    request_count: int = field(default=0, init=False)
    rate_limit: RateLimit | None = field(default=None, init=False)
    server_time: datetime | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.api_url = self.api_url.rstrip("/")
        self._session = requests.Session()
        self._session.auth = _Token(self.token)
        self._session.headers.update(
            {
                "Accept": "application/vnd.github+json",
                "User-Agent": USER_AGENT,
                "X-GitHub-Api-Version": API_VERSION,
            }
        )

    def close(self) -> None:
        """Close its connections."""
        self._session.close()

    def get(self, path: str, params: Mapping[str, str | int] | None = None) -> Answer:
        """GET `path` (from the API's root, or a whole address that the API gave as a link).

        Raises:
            MissingError: 404, 410 or 451.
            ForbiddenError: 403 that is no rate limit; BadCredentialError: 401.
            RateLimitError: a limit that lasts longer than our patience.
            UnavailableError: faults that outlasted all tries.
            UnexpectedAnswerError: any other refusal, or a link to another host.
        """
        url = path if "://" in path else f"{self.api_url}/{path.lstrip('/')}"
        if urlsplit(url)[:2] != urlsplit(self.api_url)[:2]:
            raise UnexpectedAnswerError(f"GitHub links to another host: {urlsplit(url).netloc}")
        faults = limits = 0
        while True:
            fault: str
            try:
                response = self._send(url, params)
                if response.status_code < 500:
                    if response.ok:
                        next_url = response.links.get("next", {}).get("url")
                        return Answer(orjson.loads(response.content), next_url)
                    wait = self._limit_wait(response, limits)
                    if wait is None:
                        raise _refusal(response, url)
                    limits += 1
                    self._wait_for_limit(wait, limits)
                    continue
                fault = f"status {response.status_code}"
            except orjson.JSONDecodeError:
                fault = "a body that is not JSON"
            except requests.RequestException as error:
                fault = type(error).__name__
            faults += 1
            if faults >= self.patience.tries:
                raise UnavailableError(f"GitHub gave {fault} {faults} times for {_path(url)}")
            self.patience.sleep(
                self.patience.first_wait_seconds * 2 ** (faults - 1) * random.uniform(0.5, 1.5)  # noqa: S311 jitter
            )

    def pages(self, path: str, params: Mapping[str, str | int] | None = None) -> Iterator[Answer]:
        """All pages of a listing, each as it comes, by the `Link` headers as GitHub gives them.

        Raises:
            GitHubError: as `get`.
        """
        answer = self.get(path, params)
        yield answer
        while answer.next_url:
            answer = self.get(answer.next_url)
            yield answer

    def _send(self, url: str, params: Mapping[str, str | int] | None) -> requests.Response:
        self.request_count += 1
        response = self._session.get(url, params=params, timeout=TIMEOUT_SECONDS)
        self.request_count += len(response.history)
        headers = response.headers
        try:
            self.server_time = parsedate_to_datetime(headers["Date"]).astimezone(UTC)
        except (KeyError, ValueError):
            self.server_time = None
        try:
            self.rate_limit = RateLimit(
                limit=int(headers["x-ratelimit-limit"]),
                remaining=int(headers["x-ratelimit-remaining"]),
                resets_at=datetime.fromtimestamp(int(headers["x-ratelimit-reset"]), UTC),
            )
        except (KeyError, ValueError):
            logger.debug("an answer without rate limit")
        return response

    def _limit_wait(self, response: requests.Response, limits: int) -> float | None:
        """Seconds to wait for a rate limit; None where the refusal is something else."""
        if response.status_code not in (403, 429):
            return None
        after = response.headers.get("retry-after", "")
        if after.isdigit():
            return float(after)
        if response.headers.get("x-ratelimit-remaining") == "0" and self.rate_limit is not None:
            now = self.server_time or datetime.now(UTC)
            return max(1.0, (self.rate_limit.resets_at - now).total_seconds() + 1)
        if response.status_code == 429 or "rate limit" in _message(response).lower():
            return self.patience.unnamed_limit_wait_seconds * float(2**limits)
        return None

    def _wait_for_limit(self, seconds: float, limits: int) -> None:
        if seconds > self.patience.longest_wait_seconds or limits >= self.patience.tries:
            raise RateLimitError(
                f"GitHub's rate limit is used up for another {seconds:,.0f} seconds; "
                "what was collected is kept, and the next poll goes on from there"
            )
        logger.warning("GitHub's rate limit is used up: waiting %.0f seconds", seconds)
        self.patience.sleep(seconds)


def _refusal(response: requests.Response, url: str) -> GitHubError:
    status = response.status_code
    message = f"GitHub answers {status} for {_path(url)}: {_message(response)}"
    if status == 401:
        return BadCredentialError(
            f"{message}. Check ACTIONSIGHT_GITHUB_TOKEN: it is wrong or expired"
        )
    if status in MISSING:
        return MissingError(message, status)
    if status == 403:
        if sso := response.headers.get("x-github-sso"):
            message += f" (single sign-on: {sso})"
        return ForbiddenError(f"{message}. The credential needs Metadata and Actions, read-only")
    return UnexpectedAnswerError(message)


def _message(response: requests.Response) -> str:
    try:
        return str(orjson.loads(response.content)["message"])[:200]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return response.reason or "no reason given"


def _path(url: str) -> str:
    return urlsplit(url).path
