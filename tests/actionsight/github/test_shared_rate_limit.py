"""Threads and processes that ask at once, against a GitHub that refuses what is too much.

Time is real, and goes sixty times as fast as the limits believe.
"""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
import redis

from actionsight.github.credential_router import CredentialRouter
from actionsight.github.rate_limit.models import Limits, Priority
from actionsight.github.retries import RetryPolicy
from actionsight.settings import ROOT, Settings
from github_standin.server.latency import Latency
from github_standin.server.secondary_limits import SecondaryLimits, Traffic
from github_standin.server.server import Server
from tests.actionsight.github.factories import PATH, REPOSITORY

pytestmark = pytest.mark.integration

SPEED = 60
AT_ONCE = 6
POINTS = 60
LIMITS = Limits(concurrent=AT_ONCE, points_per_minute=POINTS, margin=0)
THREADS = 8


@dataclass(frozen=True)
class FastTime:
    """The same for all processes."""

    began_at: float

    def clock(self) -> float:
        return (time.time() - self.began_at) * SPEED

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds / SPEED)

    def retry_policy(self) -> RetryPolicy:
        return RetryPolicy(sleep=self.sleep, clock=self.clock)


@pytest.fixture
def fast() -> FastTime:
    return FastTime(time.time())


@pytest.fixture
def strict(server: Server, fast: FastTime) -> Iterator[Server]:
    server.traffic = Traffic(fast.clock)
    server.secondary_limits = SecondaryLimits(at_once=AT_ONCE, points=POINTS)
    server.latency = Latency(0.005)
    yield server


def ask_at_once(
    settings: Settings, fast: FastTime, count: int, priority: Priority = Priority.HEAD
) -> None:
    router = CredentialRouter(settings, retry_policy=fast.retry_policy(), limits=LIMITS)
    client = router.client(REPOSITORY, priority)
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(lambda _: client.get(PATH), range(count)))
    router.close()


def test_threads_and_processes_share_one_budget(
    strict: Server, asked: Settings, fast: FastTime
) -> None:
    code = (
        "from actionsight.settings import load\n"
        "from tests.actionsight.github.test_shared_rate_limit import FastTime, ask_at_once\n"
        f"ask_at_once(load(), FastTime({fast.began_at!r}), 90)"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, env=asked.environment() | {"PATH": ""}
    )
    ask_at_once(asked, fast, 90)
    assert other.wait(30) == 0
    assert strict.refusals == {}
    assert strict.traffic.statuses == {200: 180}
    # No slower than the limit dictates: 60 at once, the rest as minutes go by.
    assert fast.clock() < 60 * 12


def test_the_head_overtakes_a_backfill(strict: Server, asked: Settings, fast: FastTime) -> None:
    ask_at_once(asked, fast, POINTS)
    backfill = threading.Thread(target=ask_at_once, args=(asked, fast, THREADS, Priority.BACKFILL))
    backfill.start()
    with redis.Redis.from_url(str(asked.cache_url)) as server:
        while _waiting(server) < THREADS:
            time.sleep(0.005)
    begun = len(strict.requests)
    ask_at_once(asked, fast, 1, Priority.HEAD)
    assert len(strict.requests) - begun <= AT_ONCE
    backfill.join()
    assert strict.refusals == {}


def _waiting(server: redis.Redis) -> int:
    return sum(server.zcard(key) for key in server.scan_iter("*:waiters"))
