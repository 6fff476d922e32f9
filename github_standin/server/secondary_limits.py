"""What is asked of the stand-in: counts, and GitHub's secondary limits.

server.secondary_limits = SecondaryLimits()
server.refusals, server.traffic.most_at_once
"""

import math
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from werkzeug.wrappers import Response

from github_standin.responses import error_response

SECONDARY_MESSAGE = (
    "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
    " If you reach out to GitHub Support for help, please include the request ID."
)


@dataclass(frozen=True)
class SecondaryLimits:
    """For each credential: at most so many requests *at_once*, and so many *points* in any
    *seconds*. Who goes beyond is refused, with *retry_after* or without, and everything that the
    credential asks in the *pause_seconds* after that as well (None: as long as it was told)."""

    at_once: int = 100
    points: int = 900
    seconds: float = 60.0
    retry_after: int | None = 60
    pause_seconds: float | None = None
    status: int = 403

    @property
    def pause(self) -> float:
        """How long everything is refused."""
        if self.pause_seconds is not None:
            return self.pause_seconds
        return self.seconds if self.retry_after is None else self.retry_after

    def refusal(self) -> Response:
        """What GitHub says."""
        response = error_response(self.status, SECONDARY_MESSAGE)
        if self.retry_after is not None:
            response.headers["Retry-After"] = str(self.retry_after)
        return response


@dataclass
class _Lately:
    """What a credential has under way and has asked lately: moments and points."""

    under_way: int = 0
    points: int = 0
    asked: deque[tuple[float, int]] = field(default_factory=deque)
    refused_until: float = -math.inf


class Traffic:
    """Counts what is asked, by any number of threads, and refuses what is too much.

    `refusals` by reason: `at_once`, `points`, `persisting` (asked again too soon after a refusal)
    and `primary` (the hour's requests are used up). Time is the real one, not the world's.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.limits: SecondaryLimits | None = None
        self.statuses: Counter[int] = Counter()
        self.refusals: Counter[str] = Counter()
        self.most_at_once = 0
        self._clock = clock
        self._lock = threading.Lock()
        self._lately: dict[str, _Lately] = {}
        self._under_way = 0

    def enter(self, credential: str, method: str) -> Response | None:
        """A request begins, and ends with `leave`; the answer if it is refused."""
        with self._lock:
            self._under_way += 1
            self.most_at_once = max(self.most_at_once, self._under_way)
            lately = self._lately.setdefault(credential, _Lately())
            lately.under_way += 1
            limits = self.limits
            reason = None if limits is None else self._reason(limits, lately, method)
            if limits is None or reason is None:
                return None
            self.refusals[reason] += 1
            return limits.refusal()

    def leave(self, credential: str) -> None:
        """A request has been answered."""
        with self._lock:
            self._under_way -= 1
            self._lately[credential].under_way -= 1

    def count(self, status: int) -> None:
        """Count an answer."""
        with self._lock:
            self.statuses[status] += 1

    def count_refusal(self, reason: str) -> None:
        """Count what was refused for another reason than secondary limits."""
        with self._lock:
            self.refusals[reason] += 1

    def status(self) -> dict[str, Any]:
        """For `GET /standin`."""
        with self._lock:
            return {
                "total": sum(self.statuses.values()),
                "by_status": {str(status): of for status, of in sorted(self.statuses.items())},
                "refusals": dict(self.refusals),
                "most_at_once": self.most_at_once,
            }

    def _reason(self, limits: SecondaryLimits, lately: _Lately, method: str) -> str | None:
        now = self._clock()
        if now < lately.refused_until:
            return "persisting"
        while lately.asked and lately.asked[0][0] <= now - limits.seconds:
            lately.points -= lately.asked.popleft()[1]
        points = 1 if method in ("GET", "HEAD", "OPTIONS") else 5
        reason = (
            "at_once"
            if lately.under_way > limits.at_once
            else "points"
            if lately.points + points > limits.points
            else None
        )
        if reason is None:
            lately.asked.append((now, points))
            lately.points += points
        else:
            lately.refused_until = now + limits.pause
        return reason
