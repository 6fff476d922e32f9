"""A budget's state in the cache server, where all processes of a credential meet.

One script admits a request and one settles it, each in one call: what a process reads and what it
changes cannot be parted. A process that is killed frees its leases by their expiry.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, cast

import redis

from actionsight.github.rate_limit.models import Lease, Limits, Priority, Settlement, Wait

PREFIX = "actionsight:github:budget"
# Longer than any request that still counts as under way.
LEASE_SECONDS = 60
_FOLDER = Path(__file__).parent
_ADMIT = (_FOLDER / "acquire.lua").read_text(encoding="utf-8")
_SETTLE = (_FOLDER / "release.lua").read_text(encoding="utf-8")

# Ids and ages in seconds of requests that are over.
Recent = Callable[[], Iterable[tuple[str, float]]]


class SharedBudget:
    """One credential's budget as all processes see it.

    All methods raise redis.RedisError while the server is away.
    """

    def __init__(
        self,
        client: redis.Redis,
        key: str,
        limits: Limits,
        clock: Callable[[], float] | None,
    ) -> None:
        """`clock` is for tests: else the server's own time holds, which is one for all."""
        names = ("state", "leases", "points", "waiters", "deadlines")
        self._keys = [f"{PREFIX}:{{{key}}}:{name}" for name in names]
        self._limits = limits
        self._clock = clock
        self._generation = ""
        self._admit = client.register_script(_ADMIT)
        self._settle = client.register_script(_SETTLE)

    def admit(
        self, priority: Priority, lease_id: str, patience_seconds: float, recent: Recent
    ) -> Lease | Wait:
        """Leave to send one request now, or how long to wait.

        Args:
            recent: what this process asked within the last minute, for a server that lost it.
        """
        told: list[Any] = []
        while True:
            answer: list[bytes] = self._admit(
                self._keys,
                [
                    self._now(),
                    lease_id,
                    int(priority),
                    self._limits.most_at_once,
                    self._limits.most_a_minute,
                    priority.left_alone,
                    patience_seconds,
                    self._generation,
                    LEASE_SECONDS,
                    *told,
                ],
            )
            if answer[0] == b"go":
                return Lease(lease_id, float(answer[1]))
            if answer[0] == b"wait":
                return Wait(float(answer[1]), is_hourly=answer[2] == b"1")
            self._generation = answer[1].decode()
            told = [value for pair in recent() for value in pair]

    def settle(self, lease: Lease, settlement: Settlement) -> tuple[int, int, int] | None:
        """Note that a request is over; gives limit, remaining and reset as they are known now."""
        told = settlement.told
        limit, remaining, reset = cast(
            list[bytes],
            self._settle(
                self._keys,
                [
                    self._now(),
                    lease.id,
                    lease.admitted_at,
                    *((told.limit, told.remaining, told.reset, told.resets_in) if told else _NOT),
                    int(settlement.is_unlimited),
                    int(settlement.is_good),
                    settlement.pause_seconds,
                    int(settlement.is_unnamed),
                ],
            ),
        )
        return (int(limit), int(remaining), int(reset)) if reset else None

    def forget(self) -> None:
        """After an outage: tell the server again what this process asked meanwhile."""
        self._generation = ""

    def _now(self) -> float | str:
        return self._clock() if self._clock else ""


_NOT = ("", "", "", "")
