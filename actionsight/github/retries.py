"""How long to go on after a failure."""

import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from actionsight.github.transport import TIMEOUT, Timeout


@dataclass(frozen=True)
class RetryPolicy:
    """How long to go on after a failure.

    A fault (5xx, broken connection, unreadable body) is tried `tries` times, each within `timeout`,
    with waits from `first_wait_seconds`, doubling, jittered. All that is asked is answered or has
    failed after `total_seconds`. A rate limit is waited out when that takes at most
    `longest_wait_seconds`; one that names no time, for `unnamed_limit_wait_seconds`, doubling.
    GitHub knows a new token of an installation everywhere only after some seconds: what it refuses
    is asked again after each of `young_token_waits`. A `sleep` that does not really sleep needs a
    `clock` that goes on by as much; without one, the cache server's time holds for limits.
    """

    tries: int = 5
    timeout: Timeout = TIMEOUT
    total_seconds: float = math.inf
    first_wait_seconds: float = 1.0
    longest_wait_seconds: float = 900.0
    unnamed_limit_wait_seconds: float = 60.0
    young_token_waits: Sequence[float] = (1.0, 2.0, 4.0)
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] | None = None

    def now(self) -> float:
        """Seconds, by that clock or by this machine's."""
        return self.clock() if self.clock else time.time()

    def backoff_seconds(self, count: int) -> float:
        """How long to wait before the next try after so many faults."""
        doubled: float = self.first_wait_seconds * 2 ** (count - 1)
        return doubled * random.uniform(0.5, 1.5)  # noqa: S311 jitter


# A person waits.
INTERACTIVE = RetryPolicy(
    tries=2,
    timeout=Timeout(connect_seconds=3.05, total_seconds=10.0),
    total_seconds=10.0,
    first_wait_seconds=0.2,
    longest_wait_seconds=3.0,
    young_token_waits=(1.0,),
)
