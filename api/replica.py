"""Whether the read replica is asked: while it is away, the primary server answers in its place."""

import logging
import threading

import psycopg

from actionsight.database import connect

logger = logging.getLogger(__name__)

# Who finds it gone waits no longer for a connection to it.
TIMEOUT_SECONDS = 1.0
# The shortest that libpq knows.
CONNECT_SECONDS = 2
# Whether it is back is looked at so often, by a thread that nobody waits for.
PAUSE_SECONDS = 2.0


class Replica:
    """What this process knows of the replica at an address; safe to share between threads and to
    make before a fork.

    Attributes:
        is_away: whether it failed, and has not answered since.
    """

    def __init__(self, url: str, *, pause_seconds: float = PAUSE_SECONDS) -> None:
        self.is_away = False
        self._url = url
        self._pause_seconds = pause_seconds
        self._lock = threading.Lock()
        self._closed = threading.Event()

    def note(self, error: psycopg.Error) -> None:
        """It failed: nobody asks it until it answers again."""
        with self._lock:
            if self.is_away:
                return
            self.is_away = True
            self._closed.clear()
        logger.warning("the read replica is away, so the primary server answers: %s", error)
        threading.Thread(target=self._look, name="read replica", daemon=True).start()

    def answers(self) -> bool:
        """Whether it takes a connection now."""
        try:
            connect(self._url, connect_timeout=CONNECT_SECONDS).close()
        except psycopg.OperationalError:
            return False
        return True

    def close(self) -> None:
        """Look no more; until it fails again."""
        self._closed.set()

    def _look(self) -> None:
        while not self._closed.wait(self._pause_seconds):
            if self.answers():
                self.is_away = False
                logger.warning("the read replica is back")
                return
