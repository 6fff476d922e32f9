"""The cache server as the API meets it: asked briefly, and done without while it is away."""

import logging
import threading
import time

import redis

from actionsight import redis_client

logger = logging.getLogger(__name__)

# It lies nearby and answers within a millisecond; whoever waits longer could have computed.
TIMEOUT_SECONDS = 0.25
# After a failure nobody asks it for so long: a server that hangs must not slow every answer.
PAUSE_SECONDS = 5.0
LOG_SECONDS = 60.0


def connect(url: str) -> redis.Redis:
    """A client that gives up soon."""
    return redis_client.connect(url, timeout_seconds=TIMEOUT_SECONDS)


class Outage:
    """What one user of the server knows of its being away; safe to share between threads.

    Attributes:
        failure_count: calls that failed since the process began.
    """

    def __init__(self, consequence: str) -> None:
        """`consequence` says in the log what happens meanwhile."""
        self.failure_count = 0
        self._consequence = consequence
        self._lock = threading.Lock()
        self._over_at = self._logged_at = float("-inf")

    @property
    def is_on(self) -> bool:
        """Whether the server failed a moment ago, and is better not asked."""
        return time.monotonic() < self._over_at

    def note(self, error: redis.RedisError) -> None:
        """Count a failure; the log gets the first one, and then one a minute."""
        now = time.monotonic()
        with self._lock:
            self.failure_count += 1
            self._over_at = now + PAUSE_SECONDS
            is_due = now >= self._logged_at + LOG_SECONDS
            if is_due:
                self._logged_at = now
        if is_due:
            logger.warning(
                "the cache server did not answer (%s since the start), so %s: %s",
                self.failure_count,
                self._consequence,
                error,
            )
