"""A rate limit's state in the cache server, where all processes of a credential meet.

One script gives a permit and one takes it back, each in one call: what a process reads and what
it changes cannot be parted. A process that is killed frees its permits by their expiry.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, cast

import redis

from actionsight.github.rate_limit.models import (
    Limits,
    Permit,
    Priority,
    RateLimitHeaders,
    ResponseOutcome,
    Wait,
)

PREFIX = "actionsight:github:rate_limit"
# Longer than any request that still counts as under way.
PERMIT_SECONDS = 60
_FOLDER = Path(__file__).parent
_ACQUIRE = (_FOLDER / "acquire.lua").read_text(encoding="utf-8")
_RELEASE = (_FOLDER / "release.lua").read_text(encoding="utf-8")

# Ids and ages in seconds of requests that are over.
Recent = Callable[[], Iterable[tuple[str, float]]]


class SharedRateLimiter:
    """One credential's rate limit as all processes see it.

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
        names = ("state", "permits", "points", "waiters", "deadlines")
        self._keys = [f"{PREFIX}:{{{key}}}:{name}" for name in names]
        self._limits = limits
        self._clock = clock
        self._generation = ""
        self._acquire = client.register_script(_ACQUIRE)
        self._release = client.register_script(_RELEASE)

    def acquire(
        self, priority: Priority, permit_id: str, longest_wait_seconds: float, recent: Recent
    ) -> Permit | Wait:
        """Leave to send one request now, or how long to wait.

        Args:
            recent: what this process asked within the last minute, for a server that lost it.
        """
        known: list[Any] = []
        while True:
            answer: list[bytes] = self._acquire(
                self._keys,
                [
                    self._now(),
                    permit_id,
                    int(priority),
                    self._limits.most_at_once(priority),
                    self._limits.most_a_minute(priority),
                    priority.reserve,
                    longest_wait_seconds,
                    self._generation,
                    PERMIT_SECONDS,
                    *known,
                ],
            )
            if answer[0] == b"go":
                return Permit(permit_id, float(answer[1]))
            if answer[0] == b"wait":
                return Wait(float(answer[1]), is_hourly=answer[2] == b"1")
            self._generation = answer[1].decode()
            known = [value for pair in recent() for value in pair]

    def release(self, permit: Permit, outcome: ResponseOutcome) -> tuple[int, int, int] | None:
        """Note that a request is over; gives limit, remaining and reset as they are known now."""
        limit, remaining, reset = cast(
            list[bytes],
            self._release(
                self._keys,
                [
                    self._now(),
                    permit.id,
                    permit.acquired_at,
                    *_arguments(outcome.headers),
                    int(outcome.is_unlimited),
                    int(outcome.is_good),
                    outcome.pause_seconds,
                    int(outcome.is_unnamed),
                ],
            ),
        )
        return (int(limit), int(remaining), int(reset)) if reset else None

    def forget(self) -> None:
        """After an outage: tell the server again what this process asked meanwhile."""
        self._generation = ""

    def _now(self) -> float | str:
        return self._clock() if self._clock else ""


def _arguments(headers: RateLimitHeaders | None) -> tuple[float | str, ...]:
    if headers is None:
        return ("", "", "", "")
    return (headers.limit, headers.remaining, headers.reset, headers.resets_in)
