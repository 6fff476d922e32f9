"""What the tests of asking GitHub share: time, faults, names."""

import threading
from dataclasses import dataclass, field

from werkzeug.wrappers import Request, Response

from github_standin.server.server import Break

REPOSITORY = "octo/hello"
PATH = f"/repos/{REPOSITORY}"
TOKEN = "ghp_neverInAnyLog"


@dataclass
class Time:
    """A clock that goes on by what is slept; its own, not the world's."""

    now: float = 1_790_000_000.0
    waits: list[float] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.waits.append(seconds)
            self.now += seconds


@dataclass
class Faults:
    """Answers to give, in order, before GitHub is well again."""

    answers: list[Response | Break] = field(default_factory=list)

    def __call__(self, _request: Request) -> Response | Break | None:
        return self.answers.pop(0) if self.answers else None


def limited(status: int = 403, **headers: str) -> Response:
    """GitHub's words when a secondary limit was hit."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(
        '{"message": "You have exceeded a secondary rate limit."}', status=status, headers=named
    )
