"""How often what strangers can cause at will may be logged."""

import threading
import time
from collections import defaultdict

SECONDS = 60.0


class Throttle:
    """Lets one line of a kind into the log within a minute, and counts what it holds back: what
    strangers can cause at will must not fill a disk. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._told_at: dict[str, float] = {}
        self._held_back: dict[str, int] = defaultdict(int)

    def pass_on(self, kind: str) -> int | None:
        """Whether a line of this kind is due: how many were held back before it; None: it is not.

        `kind` is a word of ours, never of a client: each is remembered.
        """
        now = time.monotonic()
        with self._lock:
            if now < self._told_at.get(kind, float("-inf")) + SECONDS:
                self._held_back[kind] += 1
                return None
            self._told_at[kind] = now
            return self._held_back.pop(kind, 0)
