"""Sends to one hook whatever happens in a world from now on, as GitHub does: each event once,
several at a time and so in no certain order, after a failure again only where a client asks."""

import itertools
import queue
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from github_standin.webhooks.deliveries import API, Delivery, Hook, deliveries_between
from github_standin.world.world import World

LOOK_SECONDS = 0.5

WORKERS = 8

BACKLOG = 1_000
"""While so many deliveries wait (the receiver hangs), the next look is put off."""

HISTORY = timedelta(days=3)
"""For so long GitHub tells of a delivery, and delivers it again."""

REMEMBERED = 5_000

_SHOWN = 10

_IDS = itertools.count(12_000_000_001)


@dataclass(frozen=True)
class Sent:
    """An attempt to deliver; `status` None: no answer came in time."""

    id: int
    delivery: Delivery
    at: datetime
    status: int | None
    duration_seconds: float

    @property
    def is_ok(self) -> bool:
        """Whether GitHub would call it delivered."""
        return self.status is not None and 200 <= self.status < 300


class Sender:
    """Looks every *look_seconds* for what has happened since the last look, and sends it.

    What had happened before `start` is never sent. `recent` holds the newest attempts, the newest
    last; `status()` counts all of them. With *repository_id* the hook is that
    repository's. `hook` (where to) and `wants` (which events) may be set at any time.
    """

    def __init__(
        self,
        world: World,
        hook: Hook,
        *,
        api: str = API,
        repository_id: int | None = None,
        wants: Callable[[str], bool] = lambda _: True,
        look_seconds: float = LOOK_SECONDS,
        workers: int = WORKERS,
    ) -> None:
        self.recent: deque[Sent] = deque(maxlen=REMEMBERED)
        self.hook = hook
        self.wants = wants
        self._world = world
        self._api = api
        self._repository_id = repository_id
        self._look_seconds = look_seconds
        self._workers = workers
        self._waiting: queue.SimpleQueue[Delivery | None] = queue.SimpleQueue()
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._delivered = 0
        self._failed = 0
        self._is_failing = False

    def start(self) -> None:
        """Begin; from now on everything is sent."""
        since = self._world.now()
        look = threading.Thread(target=self._look, args=(since,), name="standin-hooks", daemon=True)
        # Threads that may be left behind: one that waits for a receiver must not hold up the end.
        work = (
            threading.Thread(target=self._work, name=f"standin-hook-{number}", daemon=True)
            for number in range(self._workers)
        )
        self._threads = [look, *work]
        for thread in self._threads:
            thread.start()

    def stop(self, wait_seconds: float = 1.0) -> None:
        """Look no more; drop what waits; give deliveries under way *wait_seconds*."""
        self._stopped.set()
        for _ in range(self._workers):
            self._waiting.put(None)
        deadline = time.monotonic() + wait_seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self.hook.close()

    def send(self, delivery: Delivery) -> None:
        """Send *delivery* too, such as a ping, as soon as its turn comes."""
        self._waiting.put(delivery)

    def attempts(self) -> list[Sent]:
        """What GitHub tells of: the attempts of three days, the newest first."""
        since = self._world.now() - HISTORY
        with self._lock:
            return [sent for sent in reversed(self.recent) if sent.at >= since]

    def redeliver(self, sent: Sent) -> None:
        """Deliver the same again, under the same GUID."""
        self.send(replace(sent.delivery, is_redelivery=True))

    def status(self) -> dict[str, Any]:
        """How many deliveries were answered 2xx, how many failed, how many wait; the last
        failures."""
        with self._lock:
            failures = [sent for sent in self.recent if not sent.is_ok]
            return {
                "url": self.hook.url,
                "delivered": self._delivered,
                "failed": self._failed,
                "waiting": self._waiting.qsize(),
                "last_failures": _shown(failures[-_SHOWN:]),
            }

    def _look(self, since: datetime) -> None:
        while not self._stopped.wait(self._look_seconds):
            since = self._look_once(since)

    def _look_once(self, since: datetime) -> datetime:
        """Let everything since then wait to be sent; until when it has been looked for."""
        if self._waiting.qsize() >= BACKLOG:
            return since
        with self._world.lock:
            now = self._world.now()
            due = deliveries_between(
                self._world,
                since,
                now,
                api=self._api,
                repository_id=self._repository_id,
            )
        for delivery in due:
            if self.wants(delivery.event):
                self._waiting.put(delivery)
        return max(since, now)

    def _work(self) -> None:
        for delivery in iter(self._waiting.get, None):
            if self._stopped.is_set():
                return
            began = time.monotonic()
            status = self.hook.send(delivery)
            seconds, at = time.monotonic() - began, self._world.now()
            with self._lock:
                self._note(Sent(next(_IDS), delivery, at, status, seconds))

    def _note(self, sent: Sent) -> None:
        self.recent.append(sent)
        self._delivered += sent.is_ok
        self._failed += not sent.is_ok
        if sent.is_ok == self._is_failing:
            self._is_failing = not sent.is_ok
            sys.stderr.write(self._sentence(sent))
            sys.stderr.flush()

    def _sentence(self, sent: Sent) -> str:
        if sent.is_ok:
            return f"webhooks reach {self.hook.url} again; {self._failed} were lost so far\n"
        why = "no answer" if sent.status is None else f"answer {sent.status}"
        return (
            f"webhooks do not reach {self.hook.url} ({why}): they are lost until it takes them;"
            " GET /standin counts them\n"
        )


def _shown(sent: Iterable[Sent]) -> list[dict[str, Any]]:
    return [
        {
            "delivery_id": of.delivery.delivery_id,
            "event": of.delivery.event,
            "action": of.delivery.action,
            "repository_id": of.delivery.repository_id,
            "at": of.at.isoformat(),
            "status": of.status,
            "duration_seconds": round(of.duration_seconds, 3),
        }
        for of in sent
    ]
