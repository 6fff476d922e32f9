"""Secondary limits, latency, counts."""

import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import requests

from github_standin.server.latency import Latency
from github_standin.server.secondary_limits import SecondaryLimits, Traffic
from github_standin.server.server import Server, serving
from github_standin.world.world import World
from tests.github_standin.client import MONDAY, Clock, get
from tests.github_standin.schemas import error_validator

pytestmark = pytest.mark.unit


class Seconds:
    """A clock of seconds that the test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def ask(traffic: Traffic, credential: str = "a", method: str = "GET") -> bool:
    """Whether a request that is answered at once is accepted."""
    refused = traffic.enter(credential, method)
    traffic.leave(credential)
    return refused is None


@pytest.fixture
def clock() -> Seconds:
    return Seconds()


@pytest.fixture
def traffic(clock: Seconds) -> Traffic:
    made = Traffic(clock)
    made.limits = SecondaryLimits(at_once=2, points=10, retry_after=7)
    return made


def test_points_are_of_the_last_minute_and_of_each_credential(
    traffic: Traffic, clock: Seconds
) -> None:
    for moment in range(10):
        clock.now = moment
        assert ask(traffic)
    clock.now = 59.9
    assert not ask(traffic)
    assert ask(traffic, "b")
    assert traffic.refusals == {"points": 1}


def test_points_come_back_one_by_one(traffic: Traffic, clock: Seconds) -> None:
    for moment in range(10):
        clock.now = moment
        assert ask(traffic)
    clock.now = 61
    assert [ask(traffic), ask(traffic), ask(traffic)] == [True, True, False]


def test_a_write_costs_five(traffic: Traffic) -> None:
    assert [ask(traffic, method="POST") for _ in range(3)] == [True, True, False]


def test_after_a_refusal_everything_is_refused_for_as_long_as_was_told(
    traffic: Traffic, clock: Seconds
) -> None:
    for _ in range(3):
        traffic.enter("a", "GET")
    for _ in range(3):
        traffic.leave("a")
    assert traffic.refusals == {"at_once": 1}
    assert traffic.most_at_once == 3
    clock.now = 6.9
    assert not ask(traffic)
    clock.now = 7
    assert ask(traffic)
    assert traffic.refusals == {"at_once": 1, "persisting": 1}


def test_a_refusal_says_so_with_and_without_retry_after() -> None:
    world = World(Clock())
    server = Server(world, secondary_limits=SecondaryLimits(points=1, retry_after=3))
    assert get(server, "/meta").status_code == 200
    refused = get(server, "/meta")
    error_validator().validate(refused.get_json())
    assert refused.status_code == 403
    assert "secondary rate limit" in refused.get_json()["message"]
    assert refused.headers["Retry-After"] == "3"
    assert refused.headers["X-RateLimit-Remaining"] == "4999"
    server.secondary_limits = SecondaryLimits(points=1, retry_after=None, status=429)
    first, second = (get(server, "/meta", Authorization="Bearer b") for _ in range(2))
    assert (first.status_code, second.status_code) == (200, 429)
    assert "Retry-After" not in second.headers
    server.secondary_limits = None
    assert get(server, "/meta").status_code == 200
    assert [logged.status for logged in server.requests] == [200, 403, 200, 429, 200]


def test_used_up_requests_are_counted_among_the_refusals() -> None:
    server = Server(World(Clock()), rate_limit=1)
    assert [get(server, "/meta").status_code for _ in range(3)] == [200, 403, 403]
    assert server.refusals == {"primary": 2}


def test_without_limits_nothing_is_told_of_them() -> None:
    server = Server(World(Clock()), rate_limit=None)
    assert not [name for name, _ in get(server, "/meta").headers if "ratelimit" in name.lower()]
    assert get(server, "/rate_limit").status_code == 404


def test_latency_is_log_normal_and_seeded() -> None:
    one, same, other = (Latency(0.1, seed=seed) for seed in (1, 1, 2))
    drawn = [one.seconds() for _ in range(2_000)]
    assert drawn == [same.seconds() for _ in range(2_000)]
    assert drawn[:5] != [other.seconds() for _ in range(5)]
    assert 0.095 < statistics.median(drawn) < 0.105
    assert 0 < min(drawn) < 0.04
    assert max(drawn) > 0.25


def test_answers_that_wait_overlap() -> None:
    with serving(World(Clock()), latency=Latency(0.2, spread=0.0)) as server:
        began = time.perf_counter()
        with ThreadPoolExecutor(10) as pool:
            answers = list(
                pool.map(lambda _: requests.get(f"{server.url}/meta", timeout=5), range(10))
            )
        took = time.perf_counter() - began
    assert {answer.status_code for answer in answers} == {200}
    assert took >= 0.2
    assert server.traffic.most_at_once > 1


def test_too_many_at_once_are_refused_while_others_wait() -> None:
    waiting, go_on = threading.Semaphore(0), threading.Event()

    def fault(_: object) -> None:
        waiting.release()
        assert go_on.wait(10)

    limits = SecondaryLimits(at_once=2, pause_seconds=0)
    with serving(World(Clock()), fault=fault, secondary_limits=limits) as server:
        with ThreadPoolExecutor(2) as pool:
            held = [pool.submit(requests.get, f"{server.url}/meta", timeout=20) for _ in range(2)]
            for _ in held:
                assert waiting.acquire(timeout=10)
            refused = requests.get(f"{server.url}/meta", timeout=5)
            go_on.set()
            assert [of.result().status_code for of in held] == [200, 200]
        assert refused.status_code == 403
        assert requests.get(f"{server.url}/meta", timeout=5).status_code == 200
    assert server.refusals == {"at_once": 1}


def test_a_server_that_keeps_no_requests_still_counts() -> None:
    world = World(Clock(MONDAY + timedelta(1)))
    world.add_repository("octo/app")
    server = Server(world, keeps_requests=False)
    for url in ("/repos/octo/app", "/repos/octo/app", "/repos/octo/none"):
        get(server, url)
    assert server.requests == []
    told = get(server, "/standin").get_json()["requests"]
    assert told == {
        "total": 3,
        "by_status": {"200": 2, "404": 1},
        "refusals": {},
        "most_at_once": 1,
    }
