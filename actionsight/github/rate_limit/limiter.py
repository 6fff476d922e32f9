"""What may be asked with one credential, and when: its limits, who goes first, what is left.

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
from actionsight.github.rate_limit.local import OwnBudget
from actionsight.github.rate_limit.models import (
    GITHUB_LIMITS,
    MINUTE,
    BudgetState,
    Lease,
    Limits,
    Priority,
    Settlement,
    Wait,
)
from actionsight.github.rate_limit.shared import SharedBudget

__all__ = ["GITHUB_LIMITS", "Budget", "BudgetState", "Limits", "Priority", "connect"]

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 1.0
# After a failure of the cache server nobody asks it for so long.
OUTAGE_SECONDS = 5.0
OUTAGE_LOG_SECONDS = 60.0


def connect(url: str) -> redis.Redis:
    """A client that gives up soon: a budget must not wait for its book-keeping."""
    return redis_client.connect(url, timeout_seconds=TIMEOUT_SECONDS)


class Budget:
    """One credential's budget; thread-safe."""

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
        self._own = OwnBudget(limits, clock or time.time)
        self._shared = SharedBudget(server, key, limits, clock) if server is not None else None
        self._lock = threading.Lock()
        self._away_until = self._logged_at = float("-inf")
        self._known: tuple[int, int, int] | None = None
        self._request_count = self._unchanged_count = self._refused_count = 0

    def admit(self, priority: Priority, lease_id: str, patience_seconds: float) -> Lease | Wait:
        """Leave to send one request now, or how long to wait before asking again.

        Whoever is told to wait keeps its place; not beyond its patience.
        """
        if self._shared is not None and time.monotonic() >= self._away_until:
            try:
                return self._shared.admit(priority, lease_id, patience_seconds, self._own.recent)
            except redis.RedisError as error:
                self._note_outage(error)
        return self._own.admit(priority, lease_id)

    def settle(self, lease: Lease, settlement: Settlement) -> None:
        """Note that the request of a lease is over, and what its answer told."""
        self._own.settle(lease, settlement)
        told = settlement.told
        known = (told.limit, told.remaining, told.reset) if told else None
        if self._shared is not None and not lease.is_alone:
            try:
                known = self._shared.settle(lease, settlement)
            except redis.RedisError as error:
                self._note_outage(error)
        with self._lock:
            self._request_count += 1
            self._unchanged_count += settlement.is_unchanged
            self._refused_count += settlement.is_refused
            self._known = _newest(known, self._known)

    def state(self) -> BudgetState:
        """What is known now."""
        with self._lock:
            limit, remaining, reset = self._known or (None, None, None)
            return BudgetState(
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
    told: tuple[int, int, int] | None, known: tuple[int, int, int] | None
) -> tuple[int, int, int] | None:
    """Of two states of a limit (limit, remaining, reset) the newer: threads overtake each other,
    and within an hour less is left the later it is."""
    if told is None or known is None:
        return told or known
    if abs(told[2] - known[2]) > MINUTE:
        return max(told, known, key=lambda state: state[2])
    return min(told, known, key=lambda state: state[1])
