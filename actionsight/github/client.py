"""GitHub's REST API: one loop's requests, which page, wait out limits and tell failures apart."""

import itertools
import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

from requests.utils import parse_header_links

from actionsight.github.credentials import Credential, token_key
from actionsight.github.errors import (
    BadCredentialError,
    ForbiddenError,
    GitHubError,
    MissingError,
    RateLimitError,
    SlowError,
    UnavailableError,
    UnexpectedAnswerError,
)
from actionsight.github.payloads import parse_json
from actionsight.github.rate_limit.limiter import Budget
from actionsight.github.rate_limit.models import (
    NO_ANSWER,
    Lease,
    Priority,
    Settlement,
    Told,
    tells_of_a_limit,
)
from actionsight.github.retries import Patience
from actionsight.github.transport import Fault, Params, Reply, Transport

__all__ = ["Answer", "Asker", "Patience"]

logger = logging.getLogger(__name__)

MISSING = (404, 410, 451)
MOVED = (301, 302, 307, 308)
SLOW = (502, 504)
MOST_HOPS = 5
# Whoever waits longer than this should be able to read why.
LOGGED_WAIT_SECONDS = 5.0
# GitHub knows a new token of an installation everywhere only after some seconds.
YOUNG_TOKEN_WAITS = (1.0, 2.0, 4.0)


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
        hops = limits = renewals = young = 0
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
            elif (
                reply.status in (401, 403)
                and young < len(YOUNG_TOKEN_WAITS)
                and _limit(reply) is None
                and self._routed().is_young(token)
            ):
                self._patience.sleep(YOUNG_TOKEN_WAITS[young])
                young += 1
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
        with self._lock:
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
                what = (
                    "Collection's share of GitHub's hourly" if given.is_hourly else "GitHub's rate"
                )
                raise RateLimitError(
                    f"{what} limit is used up for another {given.seconds:,.0f} seconds; "
                    "what was collected is kept, and the next poll goes on from there",
                    budget.credential,
                )
            if given.seconds >= LOGGED_WAIT_SECONDS:
                logger.warning("GitHub's limits: waiting %.0f seconds", given.seconds)
            self._patience.sleep(given.seconds)
            waited += given.seconds

    def _settlement(self, reply: Reply) -> Settlement:
        told = _told(reply, self.server_time)
        settlement = Settlement(
            told=told,
            is_unlimited=told is None and reply.status == 200 and _is_json(reply),
            is_good=reply.status < 400,
            is_unchanged=reply.status == 304,
        )
        refused = _limit(reply)
        if refused is None:
            return settlement
        unnamed = self._patience.unnamed_limit_wait_seconds
        return replace(
            settlement,
            is_refused=True,
            pause_seconds=unnamed if refused.is_unnamed else refused.seconds,
            is_unnamed=refused.is_unnamed,
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
        self._patience.wait_after_fault(len(faults))

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


def _answer(reply: Reply, *, is_moved: bool) -> Answer:
    try:
        body = parse_json(reply.body)
    except (ValueError, RecursionError):
        raise Fault("a body that is not JSON") from None
    links = parse_header_links(reply.headers.get("link", ""))
    return Answer(
        body,
        next_url=next((link["url"] for link in links if link.get("rel") == "next"), None),
        etag=reply.headers.get("etag"),
        is_moved=is_moved,
    )


@dataclass(frozen=True)
class Refused:
    """A limit was hit: nobody may ask for so long; 0: the budget knows, or GitHub named no time."""

    seconds: float = 0.0
    is_unnamed: bool = False


def _limit(reply: Reply) -> Refused | None:
    """None: whatever it is, no limit was hit."""
    if reply.status not in (403, 429):
        return None
    after = reply.headers.get("retry-after", "")
    if after.isdigit():
        return Refused(max(1.0, float(after)))
    if reply.headers.get("x-ratelimit-remaining") == "0" and "x-ratelimit-reset" in reply.headers:
        return Refused()
    if reply.status == 429 or tells_of_a_limit(reply.message):
        return Refused(is_unnamed=True)
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
