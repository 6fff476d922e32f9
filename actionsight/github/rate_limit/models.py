"""Priorities, GitHub's limits, permits to send a request, and what a response tells of a limit."""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

MINUTE = 60.0
# Where a pause doubles, it does until here.
LONGEST_PAUSE_SECONDS = 3600.0


class Priority(IntEnum):
    """Who goes first; the smaller, the sooner."""

    INTERACTIVE = 0
    HEAD = 1
    OPEN = 2
    JOBS = 3
    SWEEP = 4
    BACKFILL = 5

    @property
    def reserve(self) -> float:
        """The share of the hourly limit that it leaves to people and to the more urgent."""
        return _RESERVES[self]


_RESERVES = {
    # A person waits for it.
    Priority.INTERACTIVE: 0.0,
    Priority.HEAD: 0.10,
    Priority.OPEN: 0.15,
    Priority.JOBS: 0.20,
    Priority.SWEEP: 0.30,
    Priority.BACKFILL: 0.40,
}


@dataclass(frozen=True)
class Limits:
    """GitHub's secondary limits, which no header tells; `margin` is how far we stay below, but for
    people, who would wait for a minute behind a backfill.

    `points_per_minute` 0: we keep to neither of them. `process_count`: how many processes share
    them while the cache server, which counts for all, is away.
    """

    concurrent: int = 100
    points_per_minute: int = 900
    margin: float = 0.02
    process_count: int = 1

    def most_at_once(self, priority: Priority) -> int:
        """How many requests may be under way."""
        return max(1, int(self.concurrent * self._share(priority)))

    def most_a_minute(self, priority: Priority) -> int:
        """How many requests may fall into any minute, 0: any number; each counts as a GET, one
        point."""
        if self.points_per_minute == 0:
            return 0
        return max(1, int(self.points_per_minute * self._share(priority)))

    def most_a_minute_alone(self, priority: Priority) -> int:
        """How many requests one process may let fall into any minute that knows of no others."""
        most = self.most_a_minute(priority)
        return max(1, most // self.process_count) if most else 0

    def _share(self, priority: Priority) -> float:
        return 1.0 if priority is Priority.INTERACTIVE else 1 - self.margin


GITHUB_LIMITS = Limits()


def names_a_rate_limit(message: str) -> bool:
    """Whether a refusal's message tells of a limit; older Enterprise Servers call it abuse."""
    words = message.lower()
    return "rate limit" in words or "abuse detection" in words


@dataclass(frozen=True)
class RateLimitHeaders:
    """The hourly limit as one response's headers tell it; `resets_in` is by GitHub's own clock."""

    limit: int
    remaining: int
    reset: int
    resets_in: float


@dataclass(frozen=True)
class ResponseOutcome:
    """What a response means for the rate limit.

    Attributes:
        headers: None: none told of a limit.
        is_unlimited: a good response without such headers: the server has its limits off.
        is_good: neither a refusal nor a fault.
        is_unchanged: 304.
        is_refused: a limit was hit, the hourly or a secondary one.
        pause_seconds: nobody may ask for so long; doubled while `is_unnamed` refusals follow.
    """

    headers: RateLimitHeaders | None = None
    is_unlimited: bool = False
    is_good: bool = False
    is_unchanged: bool = False
    is_refused: bool = False
    pause_seconds: float = 0.0
    is_unnamed: bool = False


NO_RESPONSE = ResponseOutcome()


@dataclass(frozen=True)
class Permit:
    """Leave to send one request; `is_local`: by a process that had to decide by itself."""

    id: str
    acquired_at: float
    is_local: bool = False


@dataclass(frozen=True)
class Wait:
    """No leave yet: ask again after so many seconds."""

    seconds: float
    is_hourly: bool = False


@dataclass(frozen=True)
class RateLimitState:
    """What is left of a credential's hourly limit; the counts are of this process."""

    credential: str
    limit: int | None
    remaining: int | None
    resets_at: datetime | None
    request_count: int
    unchanged_count: int
    refused_count: int
