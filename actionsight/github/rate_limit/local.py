"""What one process knows of a budget by itself: enough to ask one request at a time."""

import threading
from collections import deque
from collections.abc import Callable, Iterator

from actionsight.github.rate_limit.models import (
    LONGEST_PAUSE_SECONDS,
    MINUTE,
    Lease,
    Limits,
    Priority,
    Settlement,
    Told,
    Wait,
)


class OwnBudget:
    """The state of a credential's budget as one process sees it; thread-safe.

    It learns from every answer, also while others decide, so that it knows when it has to.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._most_a_minute = limits.most_a_minute
        self._points: deque[tuple[str, float]] = deque()
        self._told: Told | None = None
        self._resets_at = 0.0
        self._paused_until = 0.0
        self._strikes = 0

    def admit(self, priority: Priority, lease_id: str) -> Lease | Wait:
        """Leave to send the only request of this process, once those under way are over."""
        self._turn.acquire()
        with self._lock:
            now = self._clock()
            wait = self._wait(priority, now)
        if wait is not None:
            self._turn.release()
            return wait
        return Lease(lease_id, now, is_alone=True)

    def settle(self, lease: Lease, settlement: Settlement) -> None:
        """Learn from an answer; the next one's turn comes if this one was alone."""
        with self._lock:
            now = self._clock()
            self._forget(now)
            self._points.append((lease.id, now))
            self._pause(settlement, now)
            if settlement.told is not None:
                self._told = settlement.told
                self._resets_at = now + settlement.told.resets_in + 1
        if lease.is_alone:
            self._turn.release()

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
        if self._told is not None and self._resets_at > now:
            spare = self._told.remaining - 1 - int(self._told.limit * priority.left_alone)
            if spare < 0:
                return Wait(self._resets_at - now, is_hourly=True)
        self._forget(now)
        if 0 < self._most_a_minute <= len(self._points):
            return Wait(self._points[-self._most_a_minute][1] + MINUTE - now)
        return None

    def _pause(self, settlement: Settlement, now: float) -> None:
        seconds = settlement.pause_seconds
        if settlement.is_unnamed and self._paused_until <= now:
            seconds = min(seconds * 2**self._strikes, LONGEST_PAUSE_SECONDS)
            self._strikes += 1
        elif settlement.is_good:
            self._strikes = 0
        self._paused_until = max(self._paused_until, now + seconds)
