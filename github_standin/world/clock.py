"""The pace of the world's clock: faster than the real one until it has caught up with it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any


@dataclass(frozen=True)
class Pace:
    """At the real moment *began_at* it was *world_began_at* in the world, which lies before it;
    since then the world's clock runs *speed* times as fast, and with the real one from the moment
    at which both agree. It never shows the future."""

    began_at: datetime
    world_began_at: datetime
    speed: float

    def at(self, real: datetime) -> datetime:
        """The world's time at the real moment *real*."""
        return min(real, self.world_began_at + (real - self.began_at) * self.speed)

    def has_caught_up(self, real: datetime) -> bool:
        """Whether the world's time is the real one by now."""
        return self.at(real) == real

    def to_json(self) -> dict[str, Any]:
        """For the file that a later start reads."""
        return {
            "began_at": self.began_at.isoformat(),
            "world_began_at": self.world_began_at.isoformat(),
            "speed": self.speed,
        }

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> "Pace":
        """What `to_json` gave. Raises `KeyError`, `TypeError`, `ValueError`."""
        began_at, world_began_at = (
            datetime.fromisoformat(kept[name]) for name in ("began_at", "world_began_at")
        )
        return cls(began_at, world_began_at, float(kept["speed"]))


def starting_pace(
    now: datetime, speed: float, lead: timedelta, *, is_first: bool, kept: Pace | None
) -> Pace | None:
    """The pace of a start at the real moment *now*; None: the world's time is the real one.

    The first start with a *speed* above 1 begins *lead* ago. Later ones go on where the *kept* pace
    has brought the world by now, at the new speed: no start takes the world back. One at speed 1
    takes it to the present at once, and once it is there it stays there.
    """
    if speed <= 1:
        return None
    if is_first:
        return Pace(now, now - lead, speed)
    if kept is None or kept.has_caught_up(now):
        return None
    return kept if kept.speed == speed else Pace(now, kept.at(now), speed)
