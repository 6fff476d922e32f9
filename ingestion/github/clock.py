"""The time by our clock and by GitHub's, which may differ."""

from collections.abc import Callable
from datetime import UTC, datetime


def utc_now() -> datetime:
    """The time by this machine's clock (UTC)."""
    return datetime.now(UTC)


class Clock:
    """Tells the time, all of it UTC.

    Attributes:
        now: the time by our clock.
        github_time: GitHub's at its newest response that a poll has noted.
    """

    def __init__(self, now: Callable[[], datetime] = utc_now) -> None:
        self.now = now
        self.github_time: datetime | None = None

    @property
    def earliest_now(self) -> datetime:
        """The time by our clock or by GitHub's, whichever is behind."""
        return min(self.now(), self.github_time or self.now())

    @property
    def latest_now(self) -> datetime:
        """The time by our clock or by GitHub's, whichever is ahead."""
        return max(self.now(), self.github_time or self.now())
