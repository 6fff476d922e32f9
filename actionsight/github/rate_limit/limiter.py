"""When may be asked with one credential: its limits, who goes first, what is left.

The state is in the cache server, so that all processes spend one budget; while that is away, a
process goes on with what it knows itself, one request at a time.
"""

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

import redis

from actionsight import redis_client
from actionsight.github.rate_limit.local import LocalRateLimiter
from actionsight.github.rate_limit.models import (
    GITHUB_LIMITS,
    MINUTE,
    Limits,
    Permit,
    Priority,
    RateLimitState,
    ResponseOutcome,
    Wait,
)
from actionsight.github.rate_limit.shared import SharedRateLimiter

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 1.0
# After a failure of the cache server nobody asks it for so long.
OUTAGE_SECONDS = 5.0
OUTAGE_LOG_SECONDS = 60.0


def connect(url: str) -> redis.Redis:
    """A client that gives up soon: a request must not wait for its book-keeping."""
    return redis_client.connect(url, timeout_seconds=TIMEOUT_SECONDS)


class RateLimiter:
    """One credential's rate limit; thread-safe."""

    def __init__(
        self,
        credential: str,
        key: str,
        server: redis.Redis | None,
        *,
        limits: Limits = GITHUB_LIMITS,
        clock: Callable[[], float] | None = None,
    ) -> None:
        """
        Args:
            credential: what people call it.
            key: what all processes call it in the cache server.
            server: the cache server; None: this process is alone.
            clock: in place of the cache server's and of this process's, for tests.
        """
        self.credential = credential
        self._local = LocalRateLimiter(limits, clock or time.time)
        self._shared = SharedRateLimiter(server, key, limits, clock) if server is not None else None
        self._lock = threading.Lock()
        self._away_until = self._logged_at = float("-inf")
        self._known: tuple[int, int, int] | None = None
        self._request_count = self._unchanged_count = self._refused_count = 0

    def acquire(
        self, priority: Priority, permit_id: str, longest_wait_seconds: float
    ) -> Permit | Wait:
        """Leave to send one request now, or how long to wait before asking again.

        Whoever is told to wait keeps its place; not beyond its longest wait.
        """
        if self._shared is not None and time.monotonic() >= self._away_until:
            try:
                return self._shared.acquire(
                    priority, permit_id, longest_wait_seconds, self._local.recent
                )
            except redis.RedisError as error:
                self._note_outage(error)
        return self._local.acquire(priority, permit_id, longest_wait_seconds)

    def release(self, permit: Permit, outcome: ResponseOutcome) -> None:
        """Note that the request of a permit is over, and what its response told."""
        self._local.release(permit, outcome)
        headers = outcome.headers
        known = (headers.limit, headers.remaining, headers.reset) if headers else None
        if self._shared is not None and not permit.is_local:
            try:
                known = self._shared.release(permit, outcome)
            except redis.RedisError as error:
                self._note_outage(error)
        with self._lock:
            self._request_count += 1
            self._unchanged_count += outcome.is_unchanged
            self._refused_count += outcome.is_refused
            self._known = _newest(known, self._known)

    def state(self) -> RateLimitState:
        """What is known now."""
        with self._lock:
            limit, remaining, reset = self._known or (None, None, None)
            return RateLimitState(
                credential=self.credential,
                limit=limit,
                remaining=remaining,
                resets_at=None if reset is None else datetime.fromtimestamp(reset, UTC),
                request_count=self._request_count,
                unchanged_count=self._unchanged_count,
                refused_count=self._refused_count,
            )

    def _note_outage(self, error: redis.RedisError) -> None:
        now = time.monotonic()
        with self._lock:
            self._away_until = now + OUTAGE_SECONDS
            is_due = now >= self._logged_at + OUTAGE_LOG_SECONDS
            if is_due:
                self._logged_at = now
        if self._shared is not None:
            self._shared.forget()
        if is_due:
            logger.warning(
                "the cache server did not answer, so GitHub is asked one request at a time: %s",
                error,
            )


def _newest(
    new: tuple[int, int, int] | None, known: tuple[int, int, int] | None
) -> tuple[int, int, int] | None:
    """Of two states of a limit (limit, remaining, reset) the newer: threads overtake each other,
    and within an hour less is left the later it is."""
    if new is None or known is None:
        return new or known
    if abs(new[2] - known[2]) > MINUTE:
        return max(new, known, key=lambda state: state[2])
    return min(new, known, key=lambda state: state[1])
