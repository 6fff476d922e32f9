"""GitHub's REST API: requests that wait out limits and tell failures apart."""

import itertools
import logging
import math
import os
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

import orjson
from requests.utils import parse_header_links

from actionsight.github.credentials import Credential, token_key
from actionsight.github.errors import (
    BadCredentialError,
    ForbiddenError,
    GitHubError,
    MissingError,
    RateLimitError,
    RefusedError,
    SlowError,
    UnavailableError,
    UnexpectedResponseError,
)
from actionsight.github.payloads import parse_json
from actionsight.github.rate_limit.limiter import RateLimiter
from actionsight.github.rate_limit.models import (
    NO_RESPONSE,
    Permit,
    Priority,
    RateLimitHeaders,
    ResponseOutcome,
    names_a_rate_limit,
)
from actionsight.github.retries import RetryPolicy
from actionsight.github.transport import (
    HTTPResponse,
    Params,
    Timeout,
    TransientError,
    Transport,
    bearer,
)

logger = logging.getLogger(__name__)

MISSING = (404, 410, 451)
MOVED = (301, 302, 307, 308)
SLOW = (502, 504)
MOST_HOPS = 5
# Whoever waits longer than this should be able to read why.
LOGGED_WAIT_SECONDS = 5.0


@dataclass(frozen=True)
class Response:
    """A successful response.

    Attributes:
        body: its JSON; None when it is unchanged.
        next_url: the address of the next page, if there is one.
        etag: what to give to `get` next time.
        is_unchanged: 304: the same as when the ETag was given out.
        is_moved: a redirect was followed: the repository has another name now.
    """

    body: Any
    next_url: str | None = None
    etag: str | None = None
    is_unchanged: bool = False
    is_moved: bool = False


class GitHubClient:
    """Requests for one purpose, routed to a credential at the first; thread-safe.

    Attributes:
        request_count: every request that was sent, retries and redirect hops too.
        server_time: GitHub's time at its newest response.
    """

    def __init__(
        self,
        transport: Transport,
        route: Callable[[], Credential],
        priority: Priority,
        retry_policy: RetryPolicy,
        *,
        deadline: float = math.inf,
    ) -> None:
        """`deadline`: by `time.monotonic`, when all that is asked must be over."""
        self.request_count = 0
        self.server_time: datetime | None = None
        self._transport = transport
        self._route = route
        self._priority = priority
        self._retry_policy = retry_policy
        self._deadline = deadline
        self._credential: Credential | None = None
        self._lock = threading.Lock()
        self._date = ""

    @property
    def tries(self) -> int:
        """How often a request that fails in a way that may pass is sent."""
        return self._retry_policy.tries

    @property
    def token_key(self) -> str:
        """A short hash of the token: ETags hold for that token alone.

        Raises:
            GitHubError: there is no token to be had.
        """
        return token_key(self._routed().token())

    def get(
        self,
        path: str,
        params: Params | None = None,
        *,
        etag: str | None = None,
        slow_tries: int | None = None,
    ) -> Response:
        """GET `path` (from the API's root, or a whole address that the API gave as a link).

        Args:
            etag: of a response to this very token; the same one then comes as unchanged.
            slow_tries: give up sooner where GitHub is too slow for what is asked.

        Raises:
            MissingError: 404, 410 or 451.
            ForbiddenError: 403 that is no rate limit; BadCredentialError: 401.
            RateLimitError: a limit that lasts longer than we wait.
            UnavailableError: faults that outlasted all tries; SlowError: by being slow.
            RefusedError: any other 4xx.
            UnexpectedResponseError: a link to another host, or redirects without an end.
        """
        url = self._transport.url(path, params)
        headers = {"If-None-Match": etag} if etag else {}
        request = _Request("GET", url, headers)
        return self._request(request, tries=self.tries, slow_tries=slow_tries)

    def post(self, path: str, body: Mapping[str, Any], *, is_repeatable: bool = False) -> Response:
        """POST JSON.

        Args:
            is_repeatable: whether it may be sent again after a fault, which may have come after
                GitHub did what was asked.

        Raises:
            GitHubError: as `get`.
        """
        request = self._writing("POST", path, body)
        return self._request(request, tries=self.tries if is_repeatable else 1)

    def patch(self, path: str, body: Mapping[str, Any]) -> Response:
        """PATCH JSON that names what is to be, so that it may be sent again after a fault.

        Raises:
            GitHubError: as `get`.
        """
        return self._request(self._writing("PATCH", path, body), tries=self.tries)

    def delete(self, path: str) -> Response:
        """DELETE.

        Raises:
            GitHubError: as `get`.
        """
        return self._request(_Request("DELETE", self._transport.url(path), {}), tries=1)

    def _writing(self, method: str, path: str, body: Mapping[str, Any]) -> "_Request":
        headers = {"Content-Type": "application/json"}
        return _Request(method, self._transport.url(path), headers, orjson.dumps(body))

    def _request(
        self, request: "_Request", *, tries: int, slow_tries: int | None = None
    ) -> Response:
        ends = min(self._deadline, time.monotonic() + self._retry_policy.total_seconds)
        hops = limits = renewals = young = 0
        failures: list[TransientError] = []
        while True:
            try:
                response, token = self._send(request, ends)
                if response.status == 304:
                    etag = request.headers.get("If-None-Match")
                    return Response(None, etag=etag, is_unchanged=True, is_moved=hops > 0)
                if response.status < 300:
                    return _parsed(response, is_moved=hops > 0)
                if response.status >= 500:
                    raise TransientError(
                        f"status {response.status}", is_slow=response.status in SLOW
                    )
            except TransientError as error:
                failures.append(error)
                self._wait_or_give_up(failures, request.url, tries, slow_tries, ends)
                continue
            hit = _limit_hit(response)
            if response.status in MOVED and hops < MOST_HOPS:
                hops += 1
                location = urljoin(request.url, response.headers.get("location", ""))
                request = replace(request, url=self._transport.url(location))
            elif hit is not None:
                if limits >= self._retry_policy.tries or self._routed().rate_limiter is None:
                    raise self._refusal(response, request.url)
                limits += 1
            elif (
                response.status in (401, 403)
                and young < len(self._retry_policy.young_token_waits)
                and self._routed().is_young(token)
            ):
                self._retry_policy.sleep(self._retry_policy.young_token_waits[young])
                young += 1
            elif (
                response.status == 401
                and not renewals
                and self._routed().renew(token, self.server_time)
            ):
                renewals += 1
            else:
                raise self._refusal(response, request.url)

    def _routed(self) -> Credential:
        with self._lock:
            if self._credential is None:
                self._credential = self._route()
            return self._credential

    def _send(self, request: "_Request", ends: float) -> tuple[HTTPResponse, str | None]:
        credential = self._routed()
        token = credential.token()
        limiter = credential.rate_limiter
        permit = self._permit(limiter, ends) if limiter is not None else None
        outcome = NO_RESPONSE
        try:
            response = self._transport.send(
                request.method,
                request.url,
                headers={**request.headers, **bearer(token)},
                body=request.body,
                timeout=self._timeout(request.url, ends),
            )
            self._note_time(response)
            outcome = self._outcome(response)
        finally:
            if limiter is not None and permit is not None:
                limiter.release(permit, outcome)
            with self._lock:
                self.request_count += 1
        return response, token

    def _timeout(self, url: str, ends: float) -> Timeout:
        connect_seconds, total_seconds = self._retry_policy.timeout
        left = ends - time.monotonic()
        if left <= 0:
            raise UnavailableError(f"GitHub gave no answer in time for {_path(url)}")
        return Timeout(min(connect_seconds, left), min(total_seconds, left))

    def _permit(self, limiter: RateLimiter, ends: float) -> Permit:
        permit_id = next_permit_id()
        waited = 0.0
        while True:
            left = min(self._retry_policy.longest_wait_seconds - waited, ends - time.monotonic())
            given = limiter.acquire(self._priority, permit_id, left)
            if isinstance(given, Permit):
                return given
            if given.seconds > left:
                what = (
                    "Collection's share of GitHub's hourly" if given.is_hourly else "GitHub's rate"
                )
                raise RateLimitError(
                    f"{what} limit is used up for another {given.seconds:,.0f} seconds; "
                    "what was collected is kept, and the next poll goes on from there",
                    limiter.credential,
                )
            if given.seconds >= LOGGED_WAIT_SECONDS:
                logger.warning("GitHub's limits: waiting %.0f seconds", given.seconds)
            self._retry_policy.sleep(given.seconds)
            waited += given.seconds

    def _outcome(self, response: HTTPResponse) -> ResponseOutcome:
        headers = _rate_limit_headers(response, self.server_time)
        outcome = ResponseOutcome(
            headers=headers,
            is_unlimited=headers is None and response.status == 200 and _is_json(response),
            is_good=response.status < 400,
            is_unchanged=response.status == 304,
        )
        hit = _limit_hit(response)
        if hit is None:
            return outcome
        unnamed = self._retry_policy.unnamed_limit_wait_seconds
        return replace(
            outcome,
            is_refused=True,
            pause_seconds=unnamed if hit.is_unnamed else hit.seconds,
            is_unnamed=hit.is_unnamed,
        )

    def _note_time(self, response: HTTPResponse) -> None:
        date = response.headers.get("date", "")
        if date != self._date:
            self._date = date
            try:
                self.server_time = parsedate_to_datetime(date).astimezone(UTC)
            except ValueError:
                self.server_time = None

    def _wait_or_give_up(
        self,
        failures: list[TransientError],
        url: str,
        tries: int,
        slow_tries: int | None,
        ends: float,
    ) -> None:
        """Wait before the next try, or give up."""
        says = f"GitHub gave {failures[-1]} {len(failures)} times for {_path(url)}"
        slow = sum(failure.is_slow for failure in failures)
        if slow_tries is not None and slow >= slow_tries:
            raise SlowError(says)
        wait_seconds = self._retry_policy.backoff_seconds(len(failures))
        if len(failures) >= tries or time.monotonic() + wait_seconds >= ends:
            raise UnavailableError(says)
        self._retry_policy.sleep(wait_seconds)

    def _refusal(self, response: HTTPResponse, url: str) -> GitHubError:
        credential = self._routed()
        message = f"GitHub answers {response.status} for {_path(url)}: {response.message}"
        if response.status == 401:
            error = BadCredentialError(f"{message}. {credential.remedy}", credential.name)
            credential.refuse(error)
            return error
        if _limit_hit(response) is not None:
            return RateLimitError(f"{message}, again and again", credential.name)
        if response.status in MISSING:
            return MissingError(message, response.status)
        if response.status == 403:
            if sso := response.headers.get("x-github-sso"):
                message += f" (single sign-on: {sso})"
            return ForbiddenError(". ".join(filter(None, [message, credential.needs])), 403)
        if response.status < 400:
            return UnexpectedResponseError(message)
        return RefusedError(message, response.status)


@dataclass(frozen=True)
class _Request:
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None = None


_IMPORTED = uuid.uuid4().hex
_NUMBERS = itertools.count()


def next_permit_id() -> str:
    """An id that no other request has, of no process on no machine: two of one id would count as
    one. Processes that were forked from one that had imported this differ by their number."""
    return f"{_IMPORTED}:{os.getpid()}:{next(_NUMBERS)}"


def _parsed(response: HTTPResponse, *, is_moved: bool) -> Response:
    try:
        body = None if response.status == 204 else parse_json(response.body)
    except (ValueError, RecursionError):
        raise TransientError("a body that is not JSON") from None
    links = parse_header_links(response.headers.get("link", ""))
    return Response(
        body,
        next_url=next((link["url"] for link in links if link.get("rel") == "next"), None),
        etag=response.headers.get("etag"),
        is_moved=is_moved,
    )


@dataclass(frozen=True)
class LimitHit:
    """A limit was hit: nobody may ask for so long; 0: that is known, or GitHub named no time."""

    seconds: float = 0.0
    is_unnamed: bool = False


def _limit_hit(response: HTTPResponse) -> LimitHit | None:
    """None: whatever it is, no limit was hit."""
    if response.status not in (403, 429):
        return None
    after = response.headers.get("retry-after", "")
    if after.isdigit():
        return LimitHit(max(1.0, float(after)))
    if (
        response.headers.get("x-ratelimit-remaining") == "0"
        and "x-ratelimit-reset" in response.headers
    ):
        return LimitHit()
    if response.status == 429 or names_a_rate_limit(response.message):
        return LimitHit(is_unnamed=True)
    return None


def _rate_limit_headers(
    response: HTTPResponse, server_time: datetime | None
) -> RateLimitHeaders | None:
    headers = response.headers
    if headers.get("x-ratelimit-resource", "core") != "core":
        return None
    try:
        reset = int(headers["x-ratelimit-reset"])
        now = server_time.timestamp() if server_time else time.time()
        return RateLimitHeaders(
            limit=int(headers["x-ratelimit-limit"]),
            remaining=int(headers["x-ratelimit-remaining"]),
            reset=reset,
            resets_in=reset - now,
        )
    except (KeyError, ValueError):
        return None


def _is_json(response: HTTPResponse) -> bool:
    return "json" in response.headers.get("content-type", "")


def _path(url: str) -> str:
    return urlsplit(url).path
