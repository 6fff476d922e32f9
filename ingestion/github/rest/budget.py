"""What may be asked with one credential, and when: its limits, who goes first, what is left.

The state is in the cache server, so that all processes spend one budget; while that is away, a
process goes on with what it knows itself, one request at a time.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum

MINUTE = 60.0


class Priority(IntEnum):
    """Who goes first; the smaller, the sooner."""

    HEAD = 0
    OPEN = 1
    JOBS = 2
    SWEEP = 3
    BACKFILL = 4


# The share of the hourly limit that each leaves alone: for people, and for those before it.
LEFT_ALONE = {
    Priority.HEAD: 0.10,
    Priority.OPEN: 0.15,
    Priority.JOBS: 0.20,
    Priority.SWEEP: 0.30,
    Priority.BACKFILL: 0.40,
}


@dataclass(frozen=True)
class Limits:
    """GitHub's secondary limits, which no header tells; `margin` is how far we stay below."""

    concurrent: int = 100
    points_per_minute: int = 900
    margin: float = 0.02

    @property
    def most_at_once(self) -> int:
        """How many requests may be under way."""
        return max(1, int(self.concurrent * (1 - self.margin)))

    @property
    def most_a_minute(self) -> int:
        """How many requests may fall into any minute; each of ours is a GET, one point."""
        return max(1, int(self.points_per_minute * (1 - self.margin)))


GITHUB_LIMITS = Limits()


@dataclass(frozen=True)
class Told:
    """The hourly limit as one answer's headers tell it; `resets_in` is by GitHub's own clock."""

    limit: int
    remaining: int
    reset: int
    resets_in: float


@dataclass(frozen=True)
class Settlement:
    """What an answer means for the budget.

    Attributes:
        told: None: no headers told of a limit.
        is_unlimited: a good answer without such headers: the server has its limits off.
        is_good: neither a refusal nor a fault.
        is_unchanged: 304.
        is_refused: a limit was hit, the hourly or a secondary one.
        pause_seconds: nobody may ask for so long; doubled while `is_unnamed` refusals follow.
    """

    told: Told | None = None
    is_unlimited: bool = False
    is_good: bool = False
    is_unchanged: bool = False
    is_refused: bool = False
    pause_seconds: float = 0.0
    is_unnamed: bool = False


NO_ANSWER = Settlement()


@dataclass(frozen=True)
class Lease:
    """Leave to send one request."""

    id: str
    admitted_at: float
    is_alone: bool


@dataclass(frozen=True)
class Wait:
    """No leave yet: ask again after so many seconds."""

    seconds: float
    is_hourly: bool = False


@dataclass(frozen=True)
class BudgetState:
    """What is left of a credential's hourly limit; the counts are of this process."""

    credential: str
    limit: int | None
    remaining: int | None
    resets_at: datetime | None
    request_count: int
    unchanged_count: int
    refused_count: int


class Budget:
    """One credential's budget; thread-safe."""

    def __init__(
        self,
        credential: str,
        limits: Limits = GITHUB_LIMITS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.credential = credential
        self._limits = limits
        self._clock = clock
        self._lock = threading.Lock()
        self._under_way = 0
        self._points: deque[float] = deque(maxlen=limits.most_a_minute)
        self._told: Told | None = None
        self._resets_at = 0.0
        self._paused_until = 0.0
        self._request_count = self._unchanged_count = self._refused_count = 0

    def admit(self, priority: Priority, lease_id: str, patience_seconds: float) -> Lease | Wait:
        """Leave to send one request now, or how long to wait before asking again."""
        with self._lock:
            now = self._clock()
            if self._paused_until > now:
                return Wait(self._paused_until - now)
            if self._told is not None and self._resets_at > now:
                floor = int(self._told.limit * LEFT_ALONE[priority])
                if self._told.remaining - 1 < floor:
                    return Wait(self._resets_at - now + 1, is_hourly=True)
            if self._under_way >= self._limits.most_at_once:
                return Wait(0.05)
            if len(self._points) == self._points.maxlen and self._points[0] + MINUTE > now:
                return Wait(self._points[0] + MINUTE - now)
            self._under_way += 1
            self._request_count += 1
            return Lease(lease_id, now, is_alone=True)

    def settle(self, lease: Lease, settlement: Settlement) -> None:
        """Note that the request of a lease is over, and what its answer told."""
        with self._lock:
            now = self._clock()
            self._under_way -= 1
            self._points.append(now)
            self._unchanged_count += settlement.is_unchanged
            self._refused_count += settlement.is_refused
            self._paused_until = max(self._paused_until, now + settlement.pause_seconds)
            if settlement.told is not None:
                self._told = settlement.told
                self._resets_at = now + settlement.told.resets_in

    def state(self) -> BudgetState:
        """What is known now."""
        told = self._told
        return BudgetState(
            credential=self.credential,
            limit=told.limit if told else None,
            remaining=told.remaining if told else None,
            resets_at=datetime.fromtimestamp(told.reset, UTC) if told else None,
            request_count=self._request_count,
            unchanged_count=self._unchanged_count,
            refused_count=self._refused_count,
        )
