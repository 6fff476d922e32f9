"""One limiter for all who ask with a credential: limits, priorities, pauses, a lost cache."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import redis

from actionsight.github.rate_limit.limiter import RateLimiter, connect
from actionsight.github.rate_limit.models import (
    Limits,
    Permit,
    Priority,
    RateLimitHeaders,
    ResponseOutcome,
    Wait,
)
from tests.actionsight.github.factories import Time

pytestmark = pytest.mark.integration

RESET = 1_790_003_600
FEW = Limits(concurrent=4, points_per_minute=10, margin=0)
MANY = 10_000.0

Process = Callable[..., RateLimiter]


def good(
    remaining: int, limit: int = 5000, reset: int = RESET, resets_in: float = 3600
) -> ResponseOutcome:
    """An answer that tells of the hourly limit."""
    return ResponseOutcome(
        headers=RateLimitHeaders(limit, remaining, reset, resets_in), is_good=True
    )


@pytest.fixture
def process(cache_url: str, time: Time) -> Process:
    """Makes the rate limiter of one credential as each of several processes has it."""

    def make(limits: Limits = FEW, key: str = "octo") -> RateLimiter:
        return RateLimiter("token", key, connect(cache_url), limits=limits, clock=time.clock)

    return make


_names = iter(f"request {number}" for number in range(10**9))


def acquired(limiter: RateLimiter, priority: Priority = Priority.HEAD) -> Permit:
    given = limiter.acquire(priority, next(_names), MANY)
    assert isinstance(given, Permit), given
    return given


def refused(limiter: RateLimiter, priority: Priority = Priority.HEAD, name: str = "") -> Wait:
    given = limiter.acquire(priority, name or next(_names), MANY)
    assert isinstance(given, Wait), given
    return given


def asked(
    limiter: RateLimiter, outcome: ResponseOutcome, priority: Priority = Priority.HEAD
) -> None:
    limiter.release(acquired(limiter, priority), outcome)


def test_the_first_request_finds_out_alone(process: Process) -> None:
    one, other = process(), process()
    permit = acquired(one)
    assert refused(other).seconds < 0.1
    one.release(permit, good(4000))
    acquired(other)


def test_no_more_are_under_way_at_once_than_github_bears(process: Process) -> None:
    one, other = process(), process()
    asked(one, good(4000))
    permits = [acquired(limiter) for limiter in (one, other, one, other)]
    assert refused(one).seconds < 0.1
    other.release(permits[1], good(3999))
    acquired(one)


def test_no_minute_holds_more_points_than_allowed(process: Process, time: Time) -> None:
    one, other = process(), process()
    for number in range(10):
        asked(one if number % 2 else other, good(4000 - number))
        time.now += 1
    assert refused(one, name="next").seconds == pytest.approx(50)
    time.now += 49
    assert refused(one, name="next").seconds == pytest.approx(1)
    time.now += 1.01
    assert isinstance(one.acquire(Priority.HEAD, "next", MANY), Permit)
    # The one under way counts already.
    assert refused(other).seconds == pytest.approx(1, abs=0.02)


def test_people_go_first_in_the_margin_that_collection_keeps(process: Process) -> None:
    limiter = process(Limits(concurrent=100, points_per_minute=20, margin=0.2))
    for number in range(16):
        asked(limiter, good(4000 - number))
    assert refused(limiter).seconds == pytest.approx(60)
    for number in range(4):
        asked(limiter, good(3980 - number), Priority.INTERACTIVE)
    assert refused(limiter, Priority.INTERACTIVE).seconds == pytest.approx(60)
    assert refused(limiter).seconds == pytest.approx(60)


def test_who_is_more_urgent_goes_first(process: Process, time: Time) -> None:
    one, other = process(), process()
    for number in range(10):
        asked(one, good(4000 - number))
        time.now += 1
    late = refused(one, Priority.BACKFILL, "backfill")
    assert late.seconds == pytest.approx(50)
    # The next point that comes free is the head's; the backfill's is the one after it.
    assert refused(other, Priority.HEAD, "head").seconds == pytest.approx(50)
    time.now += 50
    assert refused(one, Priority.BACKFILL, "backfill").seconds == pytest.approx(1)
    assert isinstance(other.acquire(Priority.HEAD, "head", MANY), Permit)
    time.now += 1
    assert isinstance(one.acquire(Priority.BACKFILL, "backfill", MANY), Permit)


def test_who_waits_in_vain_is_forgotten(process: Process, time: Time) -> None:
    many = replace(FEW, concurrent=20)
    killed, other = process(many), process(many)
    for number in range(10):
        asked(killed, good(4000 - number))
        time.now += 1
    refused(killed, Priority.HEAD, "killed")
    time.now += 50.01
    refused(other, Priority.BACKFILL, "backfill")
    time.now += 5
    assert isinstance(other.acquire(Priority.BACKFILL, "backfill", MANY), Permit)
    for _ in range(5):
        acquired(other, Priority.BACKFILL)
    refused(other, Priority.BACKFILL)


@pytest.mark.parametrize("limit", [500, 60, 20])
def test_a_share_of_the_hour_is_left_to_people_and_to_the_more_urgent(
    process: Process, limit: int
) -> None:
    left = {}
    for priority in Priority:
        limiter = process(Limits(points_per_minute=9_000), key=f"{limit} {priority.name}")
        asked(limiter, good(limit // 2, limit))
        for remaining in range(limit // 2 - 1, -1, -1):
            given = limiter.acquire(priority, next(_names), MANY)
            if isinstance(given, Wait):
                assert given.is_hourly
                assert given.seconds == pytest.approx(3601)
                break
            limiter.release(given, good(remaining, limit))
            left[priority] = remaining
    assert list(left.values()) == [limit * share // 100 for share in (0, 10, 15, 20, 30, 40)]


def test_a_tiny_limit_can_be_used_up(process: Process) -> None:
    limiter = process()
    asked(limiter, good(1, limit=2))
    asked(limiter, good(0, limit=2))
    assert refused(limiter).is_hourly


def test_answers_that_overtake_each_other_never_give_requests_back(process: Process) -> None:
    limiter = process()
    asked(limiter, good(1000))
    asked(limiter, good(1003, reset=RESET - 1))
    assert limiter.state().remaining == 1000
    asked(limiter, good(4990, reset=RESET - 3600, resets_in=0))
    assert limiter.state().remaining == 1000
    asked(limiter, good(999))
    asked(limiter, good(4998, reset=RESET + 3600))
    state = limiter.state()
    assert (state.limit, state.remaining) == (5000, 4998)
    assert state.resets_at == datetime.fromtimestamp(RESET + 3600, UTC)


def test_a_new_hour_begins_with_one_request_that_finds_out(process: Process, time: Time) -> None:
    one, other = process(), process()
    asked(one, good(0))
    assert refused(other).is_hourly
    time.now += 3601.5
    permit = acquired(other)
    assert refused(one).seconds < 0.1
    other.release(permit, good(4999, reset=RESET + 3600))
    acquired(one)


def test_a_pause_holds_for_everybody(process: Process, time: Time) -> None:
    one, other = process(), process()
    asked(one, good(4000))
    under_way = acquired(other, Priority.SWEEP)
    asked(one, ResponseOutcome(is_refused=True, pause_seconds=30))
    assert refused(other).seconds == pytest.approx(30)
    other.release(under_way, good(3999))
    assert refused(other).seconds == pytest.approx(30)
    time.now += 30.01
    acquired(other)


def test_refusals_of_one_moment_count_once_and_those_that_follow_double(
    process: Process, time: Time
) -> None:
    one, other = process(), process()
    unnamed = ResponseOutcome(is_refused=True, pause_seconds=60, is_unnamed=True)
    asked(one, good(4000))
    permits = [(one, acquired(one)), (other, acquired(other)), (other, acquired(other))]
    for limiter, permit in permits:
        time.now += 0.1
        limiter.release(permit, unnamed)
    assert refused(one).seconds == pytest.approx(60 - 0.2)
    time.now += 60
    asked(other, unnamed)
    assert refused(one).seconds == pytest.approx(120)
    time.now += 120.01
    asked(one, good(3000))
    asked(other, unnamed)
    assert refused(one).seconds == pytest.approx(60)


@pytest.mark.parametrize("is_local", [False, True])
def test_a_server_without_limits_is_asked_as_often_as_the_settings_say(
    process: Process, time: Time, is_local: bool
) -> None:
    unlimited = ResponseOutcome(is_unlimited=True, is_good=True)

    def made(a_minute: int) -> RateLimiter:
        limits = Limits(concurrent=4, points_per_minute=a_minute, margin=0)
        if is_local:
            return RateLimiter("token", "alone", None, limits=limits, clock=time.clock)
        return process(limits, key=str(a_minute))

    free = made(0)
    for _ in range(50):
        asked(free, unlimited)
    if not is_local:
        permits = [acquired(free) for _ in range(50)]
        for permit in permits:
            free.release(permit, unlimited)
    held = made(10)
    for _ in range(10):
        asked(held, unlimited)
    assert refused(held).seconds == pytest.approx(60)
    time.now += 60.01
    asked(held, unlimited)


def test_a_killed_process_frees_what_it_held(process: Process, time: Time) -> None:
    killed, other = process(), process()
    asked(killed, good(4000))
    for _ in range(4):
        acquired(killed)
    assert refused(other).seconds < 0.1
    time.now += 61
    acquired(other)


def test_an_emptied_cache_is_rebuilt_from_what_processes_know(
    process: Process, cache_url: str, time: Time
) -> None:
    limiter = process()
    for number in range(8):
        asked(limiter, good(4000 - number))
    with redis.Redis.from_url(cache_url) as server:
        server.flushall()
    asked(limiter, good(3990))
    assert limiter.state().remaining == 3990
    asked(limiter, good(3989))
    # Eight before, two since: the minute is full.
    assert refused(limiter).seconds == pytest.approx(60)


def test_without_the_cache_server_requests_go_on_one_at_a_time(
    time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    away = connect("redis://127.0.0.1:1/0")
    limiter = RateLimiter("token", "octo", away, limits=FEW, clock=time.clock)
    first = acquired(limiter)
    with ThreadPoolExecutor(1) as threads:
        second = threads.submit(acquired, limiter)
        with pytest.raises(TimeoutError):
            second.result(timeout=0.1)
        limiter.release(first, good(3000))
        limiter.release(second.result(), ResponseOutcome(is_refused=True, pause_seconds=30))
    assert refused(limiter).seconds == pytest.approx(30)
    assert caplog.text.count("one request at a time") == 1
    assert limiter.state().request_count == 2
    time.now += 31
    for number in range(8):
        asked(limiter, good(2999 - number))
    assert refused(limiter).seconds == pytest.approx(60 - 31, abs=1)
    time.now += 61
    asked(limiter, good(0))
    assert refused(limiter).is_hourly


def test_without_the_cache_server_nobody_waits_longer_than_they_would(time: Time) -> None:
    limiter = RateLimiter("token", "octo", None, limits=FEW, clock=time.clock)
    under_way = acquired(limiter)
    given = limiter.acquire(Priority.INTERACTIVE, "of a person", 0.05)
    assert isinstance(given, Wait)
    assert given.seconds > 0.05
    limiter.release(under_way, good(3000))
    assert isinstance(limiter.acquire(Priority.INTERACTIVE, "again", 0.05), Permit)


def test_while_the_cache_is_away_each_of_several_processes_keeps_to_its_part(time: Time) -> None:
    limits = replace(FEW, process_count=5)
    limiter = RateLimiter("token", "octo", None, limits=limits, clock=time.clock)
    for number in range(2):
        permit = limiter.acquire(Priority.HEAD, str(number), MANY)
        assert isinstance(permit, Permit)
        limiter.release(permit, ResponseOutcome(is_good=True))
    assert limiter.acquire(Priority.HEAD, "third", MANY) == Wait(60.0)
