"""What one process knows of a rate limit by itself: enough to ask one request at a time."""

import threading
from collections import deque
from collections.abc import Callable, Iterator

from actionsight.github.rate_limit.models import (
    LONGEST_PAUSE_SECONDS,
    MINUTE,
    Limits,
    Permit,
    Priority,
    RateLimitHeaders,
    ResponseOutcome,
    Wait,
)


class LocalRateLimiter:
    """A credential's rate limit as one process sees it; thread-safe.

    It learns from every response, also while others decide, so that it knows when it has to.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._one_at_a_time = threading.Lock()
        self._limits = limits
        self._points: deque[tuple[str, float]] = deque()
        self._headers: RateLimitHeaders | None = None
        self._resets_at = 0.0
        self._paused_until = 0.0
        self._backoff_count = 0

    def acquire(
        self, priority: Priority, permit_id: str, longest_wait_seconds: float
    ) -> Permit | Wait:
        """Leave to send the only request of this process, once those under way are over."""
        timeout = min(max(longest_wait_seconds, 0), threading.TIMEOUT_MAX)
        if not self._one_at_a_time.acquire(timeout=timeout):
            return Wait(timeout + 1)
        with self._lock:
            now = self._clock()
            wait = self._wait(priority, now)
        if wait is not None:
            self._one_at_a_time.release()
            return wait
        return Permit(permit_id, now, is_local=True)

    def release(self, permit: Permit, outcome: ResponseOutcome) -> None:
        """Learn from a response; the next request may go if this one had to be alone."""
        with self._lock:
            now = self._clock()
            self._forget(now)
            self._points.append((permit.id, now))
            self._pause(outcome, now)
            if outcome.headers is not None:
                self._headers = outcome.headers
                self._resets_at = now + outcome.headers.resets_in + 1
        if permit.is_local:
            self._one_at_a_time.release()

    def recent(self) -> Iterator[tuple[str, float]]:
        """Ids and ages of the requests of the last minute."""
        with self._lock:
            now = self._clock()
            self._forget(now)
            points = list(self._points)
        return ((id_, now - at) for id_, at in points)

    def _forget(self, now: float) -> None:
        while self._points and self._points[0][1] + MINUTE <= now:
            self._points.popleft()

    def _wait(self, priority: Priority, now: float) -> Wait | None:
        if self._paused_until > now:
            return Wait(self._paused_until - now)
        if self._headers is not None and self._resets_at > now:
            spare = self._headers.remaining - 1 - int(self._headers.limit * priority.reserve)
            if spare < 0:
                return Wait(self._resets_at - now, is_hourly=True)
        self._forget(now)
        most = self._limits.most_a_minute_alone(priority)
        if 0 < most <= len(self._points):
            return Wait(self._points[-most][1] + MINUTE - now)
        return None

    def _pause(self, outcome: ResponseOutcome, now: float) -> None:
        seconds = outcome.pause_seconds
        if outcome.is_unnamed and self._paused_until <= now:
            seconds = min(seconds * 2**self._backoff_count, LONGEST_PAUSE_SECONDS)
            self._backoff_count += 1
        elif outcome.is_good:
            self._backoff_count = 0
        self._paused_until = max(self._paused_until, now + seconds)
