"""GitHub's REST API: one loop's requests, which page, wait out limits and tell failures apart."""

import itertools
import logging
import random
import re
import threading
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

import orjson
import urllib3

from ingestion.github.rest.budget import NO_ANSWER, Budget, Lease, Priority, Settlement, Told
from ingestion.github.rest.credentials import Credential, token_key
from ingestion.github.rest.errors import (
    BadCredentialError,
    ForbiddenError,
    GitHubError,
    MissingError,
    RateLimitError,
    SlowError,
    UnavailableError,
    UnexpectedAnswerError,
)

logger = logging.getLogger(__name__)

API_VERSION = "2022-11-28"
USER_AGENT = "actionsight"
MISSING = (404, 410, 451)
MOVED = (301, 302, 307, 308)
SLOW = (502, 504)
MOST_HOPS = 5
# GitHub itself aborts a request after 10 s; the rest is for the way.
TIMEOUT = urllib3.Timeout(connect=10, read=30)
CONNECTIONS = 100
# Whoever waits longer than this should be able to read why.
LOGGED_WAIT_SECONDS = 5.0

Params = Mapping[str, str | int]


@dataclass(frozen=True)
class Patience:
    """How long to go on after a failure.

    A fault (5xx, broken connection, unreadable body) is tried `tries` times, with waits from
    `first_wait_seconds`, doubling, jittered. A rate limit is waited out when that takes at most
    `longest_wait_seconds`; one that names no time, for `unnamed_limit_wait_seconds`, doubling.
    A `sleep` that does not really sleep needs a `clock` that goes on by as much.
    """

    tries: int = 5
    first_wait_seconds: float = 1.0
    longest_wait_seconds: float = 900.0
    unnamed_limit_wait_seconds: float = 60.0
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.time


@dataclass(frozen=True)
class Answer:
    """A successful answer.

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


@dataclass(frozen=True)
class Reply:
    """What came back, whatever its status."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def message(self) -> str:
        """GitHub's own words."""
        try:
            return str(orjson.loads(self.body)["message"])[:200]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return "no reason given"


class Fault(Exception):  # noqa: N818 it never leaves this module
    """A request that failed in a way that may pass."""

    def __init__(self, says: str, *, is_slow: bool = False) -> None:
        super().__init__(says)
        self.is_slow = is_slow


class Transport:
    """Connections to one API, kept open and shared by all threads."""

    def __init__(self, api_url: str) -> None:
        self.api_url = api_url.rstrip("/")
        parts = urlsplit(self.api_url)
        self._host = parts[:2]
        proxy = urllib.request.getproxies().get(parts.scheme)
        if proxy and not urllib.request.proxy_bypass(parts.netloc):
            self._pools: urllib3.PoolManager = urllib3.ProxyManager(proxy, maxsize=CONNECTIONS)
        else:
            self._pools = urllib3.PoolManager(maxsize=CONNECTIONS)

    def url(self, path: str, params: Params | None = None) -> str:
        """The address of a path below the API's root; a whole address must lie at its host.

        Raises:
            UnexpectedAnswerError: a link to another host, where no token may go.
        """
        url = path if "://" in path else f"{self.api_url}/{path.lstrip('/')}"
        if urlsplit(url)[:2] != self._host:
            raise UnexpectedAnswerError(f"GitHub links to another host: {urlsplit(url).netloc}")
        return f"{url}?{urlencode(params)}" if params else url

    def get(self, url: str, token: str | None, etag: str | None) -> Reply:
        """Send one request.

        Raises:
            Fault: no whole answer came.
        """
        headers = {
            "Accept": "application/vnd.github+json",
            "Accept-Encoding": "gzip",
            "User-Agent": USER_AGENT,
            "X-GitHub-Api-Version": API_VERSION,
        }
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if etag:
            headers["If-None-Match"] = etag
        try:
            response = self._pools.urlopen(
                "GET", url, headers=headers, redirect=False, retries=False, timeout=TIMEOUT
            )
        except urllib3.exceptions.ReadTimeoutError as error:
            raise Fault(type(error).__name__, is_slow=True) from None
        except urllib3.exceptions.HTTPError as error:
            raise Fault(type(error).__name__) from None
        return Reply(response.status, response.headers, response.data)

    def close(self) -> None:
        """Close its connections."""
        self._pools.clear()


class Asker:
    """One loop's requests for one repository, routed to a credential at the first; thread-safe.

    Attributes:
        request_count: every request that was sent, retries and redirect hops too.
        server_time: GitHub's time at its newest answer.
    """

    def __init__(
        self,
        transport: Transport,
        route: Callable[[], Credential],
        priority: Priority,
        patience: Patience,
    ) -> None:
        self.request_count = 0
        self.server_time: datetime | None = None
        self._transport = transport
        self._route = route
        self._priority = priority
        self._patience = patience
        self._credential: Credential | None = None
        self._lock = threading.Lock()
        self._date = ""

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
    ) -> Answer:
        """GET `path` (from the API's root, or a whole address that the API gave as a link).

        Args:
            etag: of an answer with this very token; the same answer then comes as unchanged.
            slow_tries: give up sooner where GitHub is too slow for what is asked.

        Raises:
            MissingError: 404, 410 or 451.
            ForbiddenError: 403 that is no rate limit; BadCredentialError: 401.
            RateLimitError: a limit that lasts longer than our patience.
            UnavailableError: faults that outlasted all tries; SlowError: by being slow.
            UnexpectedAnswerError: any other refusal, or a link to another host.
        """
        url = self._transport.url(path, params)
        hops = limits = renewals = 0
        faults: list[Fault] = []
        while True:
            try:
                reply, token = self._send(url, etag)
                if reply.status == 304:
                    return Answer(None, etag=etag, is_unchanged=True, is_moved=hops > 0)
                if reply.status < 300:
                    return _answer(reply, is_moved=hops > 0)
                if reply.status >= 500:
                    raise Fault(f"status {reply.status}", is_slow=reply.status in SLOW)
            except Fault as fault:
                faults.append(fault)
                self._endure(faults, url, slow_tries)
                continue
            if reply.status in MOVED and hops < MOST_HOPS:
                hops += 1
                url = self._transport.url(urljoin(url, reply.headers.get("location", "")))
            elif _limit(reply) is not None and limits < self._patience.tries:
                limits += 1
            elif reply.status == 401 and not renewals and self._routed().renew(token):
                renewals += 1
            else:
                raise self._refusal(reply, url)

    def pages(
        self, path: str, params: Params | None = None, *, etag: str | None = None
    ) -> Iterator[Answer]:
        """All pages of a listing, each as it comes, by the `Link` headers as GitHub gives them.

        Args:
            etag: of the first page; if that is unchanged it is the only answer.

        Raises:
            GitHubError: as `get`.
        """
        answer = self.get(path, params, etag=etag)
        yield answer
        while answer.next_url:
            answer = self.get(answer.next_url)
            yield answer

    def _routed(self) -> Credential:
        if self._credential is None:
            self._credential = self._route()
        return self._credential

    def _send(self, url: str, etag: str | None) -> tuple[Reply, str | None]:
        credential = self._routed()
        token = credential.token()
        lease = self._admitted(credential.budget)
        settlement = NO_ANSWER
        try:
            reply = self._transport.get(url, token, etag)
            self._note_time(reply)
            settlement = self._settlement(reply)
        finally:
            credential.budget.settle(lease, settlement)
            with self._lock:
                self.request_count += 1
        return reply, token

    def _admitted(self, budget: Budget) -> Lease:
        lease_id = f"{_PROCESS}:{next(_NUMBERS)}"
        waited = 0.0
        while True:
            left = self._patience.longest_wait_seconds - waited
            given = budget.admit(self._priority, lease_id, left)
            if isinstance(given, Lease):
                return given
            if given.seconds > left:
                raise RateLimitError(
                    f"GitHub's rate limit is used up for another {given.seconds:,.0f} seconds; "
                    "what was collected is kept, and the next poll goes on from there",
                    budget.credential,
                )
            if given.seconds >= LOGGED_WAIT_SECONDS:
                logger.warning("GitHub's limits: waiting %.0f seconds", given.seconds)
            self._patience.sleep(given.seconds)
            waited += given.seconds

    def _settlement(self, reply: Reply) -> Settlement:
        told = _told(reply, self.server_time)
        pause = _limit(reply)
        is_good = reply.status < 400
        return Settlement(
            told=told,
            is_unlimited=told is None and reply.status == 200 and _is_json(reply),
            is_good=is_good,
            is_unchanged=reply.status == 304,
            is_refused=pause is not None,
            pause_seconds=self._patience.unnamed_limit_wait_seconds if pause == 0 else pause or 0,
            is_unnamed=pause == 0,
        )

    def _note_time(self, reply: Reply) -> None:
        date = reply.headers.get("date", "")
        if date != self._date:
            self._date = date
            try:
                self.server_time = parsedate_to_datetime(date).astimezone(UTC)
            except ValueError:
                self.server_time = None

    def _endure(self, faults: list[Fault], url: str, slow_tries: int | None) -> None:
        """Wait before the next try, or give up."""
        says = f"GitHub gave {faults[-1]} {len(faults)} times for {_path(url)}"
        slow = sum(fault.is_slow for fault in faults)
        if slow_tries is not None and slow >= slow_tries:
            raise SlowError(says)
        if len(faults) >= self._patience.tries:
            raise UnavailableError(says)
        doubled = self._patience.first_wait_seconds * 2 ** (len(faults) - 1)
        self._patience.sleep(doubled * random.uniform(0.5, 1.5))  # noqa: S311 jitter

    def _refusal(self, reply: Reply, url: str) -> GitHubError:
        credential = self._routed()
        message = f"GitHub answers {reply.status} for {_path(url)}: {reply.message}"
        if reply.status == 401:
            error = BadCredentialError(f"{message}. {credential.remedy}", credential.name)
            credential.refuse(error)
            return error
        if _limit(reply) is not None:
            return RateLimitError(f"{message}, again and again", credential.name)
        if reply.status in MISSING:
            return MissingError(message, reply.status)
        if reply.status == 403:
            if sso := reply.headers.get("x-github-sso"):
                message += f" (single sign-on: {sso})"
            return ForbiddenError(
                f"{message}. The credential needs Metadata and Actions, read-only"
            )
        return UnexpectedAnswerError(message)


_PROCESS = uuid.uuid4().hex
_NUMBERS = itertools.count()
_NEXT = re.compile(r'<([^>]*)>\s*;\s*rel="next"')


def _answer(reply: Reply, *, is_moved: bool) -> Answer:
    try:
        body = orjson.loads(reply.body)
    except orjson.JSONDecodeError:
        raise Fault("a body that is not JSON") from None
    link = _NEXT.search(reply.headers.get("link", ""))
    return Answer(
        body,
        next_url=link[1] if link else None,
        etag=reply.headers.get("etag"),
        is_moved=is_moved,
    )


def _limit(reply: Reply) -> float | None:
    """None: no limit was hit. Else how long nobody may ask; 0: GitHub named no time."""
    if reply.status not in (403, 429):
        return None
    after = reply.headers.get("retry-after", "")
    if after.isdigit():
        return max(1.0, float(after))
    if reply.headers.get("x-ratelimit-remaining") == "0":
        return 1.0  # the budget knows until when
    if reply.status == 429 or "rate limit" in reply.message.lower():
        return 0.0
    return None


def _told(reply: Reply, server_time: datetime | None) -> Told | None:
    headers = reply.headers
    if headers.get("x-ratelimit-resource", "core") != "core":
        return None
    try:
        reset = int(headers["x-ratelimit-reset"])
        now = server_time.timestamp() if server_time else time.time()
        return Told(
            limit=int(headers["x-ratelimit-limit"]),
            remaining=int(headers["x-ratelimit-remaining"]),
            reset=reset,
            resets_in=reset - now,
        )
    except (KeyError, ValueError):
        return None


def _is_json(reply: Reply) -> bool:
    return "json" in reply.headers.get("content-type", "")


def _path(url: str) -> str:
    return urlsplit(url).path


@dataclass(frozen=True)
class RateLimit:
    """The primary limit as GitHub last stated it."""

    limit: int
    remaining: int
    resets_at: datetime


@dataclass
class GitHubClient:
    """An asker of one token and a budget of its own, until everyone asks by `Access`."""

    api_url: str
    token: str | None = field(default=None, repr=False)
    patience: Patience = field(default_factory=Patience)

    def __post_init__(self) -> None:
        self._transport = Transport(self.api_url)
        self._budget = Budget("token" if self.token else "no credential", clock=self.patience.clock)
        credential = Credential(self._budget, self.token)
        self._asker = Asker(self._transport, lambda: credential, Priority.HEAD, self.patience)
        self.get = self._asker.get
        self.pages = self._asker.pages

    @property
    def request_count(self) -> int:
        """Requests so far."""
        return self._asker.request_count

    @property
    def server_time(self) -> datetime | None:
        """GitHub's time at its newest answer."""
        return self._asker.server_time

    @property
    def rate_limit(self) -> RateLimit | None:
        """The limit as last told."""
        state = self._budget.state()
        if state.limit is None or state.remaining is None or state.resets_at is None:
            return None
        return RateLimit(state.limit, state.remaining, state.resets_at)

    def close(self) -> None:
        """Close its connections."""
        self._transport.close()
