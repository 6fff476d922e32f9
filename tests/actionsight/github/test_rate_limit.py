"""One budget for all who ask with a credential: limits, priorities, pauses, a lost cache."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import redis

from actionsight.github.rate_limit.limiter import Budget, Limits, Priority, connect
from actionsight.github.rate_limit.models import Lease, Settlement, Told, Wait
from tests.actionsight.github.factories import Time

pytestmark = pytest.mark.integration

RESET = 1_790_003_600
FEW = Limits(concurrent=4, points_per_minute=10, margin=0)
MANY = 10_000.0

Process = Callable[..., Budget]


def good(
    remaining: int, limit: int = 5000, reset: int = RESET, resets_in: float = 3600
) -> Settlement:
    """An answer that tells of the hourly limit."""
    return Settlement(told=Told(limit, remaining, reset, resets_in), is_good=True)


@pytest.fixture
def process(cache_url: str, time: Time) -> Process:
    """Makes the budget of one credential as each of several processes has it."""

    def make(limits: Limits = FEW, key: str = "octo") -> Budget:
        return Budget("token", key, connect(cache_url), limits=limits, clock=time.clock)

    return make


_names = iter(f"request {number}" for number in range(10**9))


def leased(budget: Budget, priority: Priority = Priority.HEAD) -> Lease:
    given = budget.admit(priority, next(_names), MANY)
    assert isinstance(given, Lease), given
    return given


def refused(budget: Budget, priority: Priority = Priority.HEAD, name: str = "") -> Wait:
    given = budget.admit(priority, name or next(_names), MANY)
    assert isinstance(given, Wait), given
    return given


def asked(budget: Budget, settlement: Settlement, priority: Priority = Priority.HEAD) -> None:
    budget.settle(leased(budget, priority), settlement)


def test_the_first_request_finds_out_alone(process: Process) -> None:
    one, other = process(), process()
    lease = leased(one)
    assert refused(other).seconds < 0.1
    one.settle(lease, good(4000))
    leased(other)


def test_no_more_are_under_way_at_once_than_github_bears(process: Process) -> None:
    one, other = process(), process()
    asked(one, good(4000))
    leases = [leased(budget) for budget in (one, other, one, other)]
    assert refused(one).seconds < 0.1
    other.settle(leases[1], good(3999))
    leased(one)


def test_no_minute_holds_more_points_than_allowed(process: Process, time: Time) -> None:
    one, other = process(), process()
    for number in range(10):
        asked(one if number % 2 else other, good(4000 - number))
        time.now += 1
    assert refused(one, name="next").seconds == pytest.approx(50)
    time.now += 49
    assert refused(one, name="next").seconds == pytest.approx(1)
    time.now += 1.01
    assert isinstance(one.admit(Priority.HEAD, "next", MANY), Lease)
    # The one under way counts already.
    assert refused(other).seconds == pytest.approx(1, abs=0.02)


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
    assert isinstance(other.admit(Priority.HEAD, "head", MANY), Lease)
    time.now += 1
    assert isinstance(one.admit(Priority.BACKFILL, "backfill", MANY), Lease)


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
    assert isinstance(other.admit(Priority.BACKFILL, "backfill", MANY), Lease)
    for _ in range(5):
        leased(other, Priority.BACKFILL)
    refused(other, Priority.BACKFILL)


@pytest.mark.parametrize("limit", [500, 60, 20])
def test_a_share_of_the_hour_is_left_to_people_and_to_the_more_urgent(
    process: Process, limit: int
) -> None:
    left = {}
    for priority in Priority:
        budget = process(Limits(points_per_minute=9_000), key=f"{limit} {priority.name}")
        asked(budget, good(limit // 2, limit))
        for remaining in range(limit // 2 - 1, -1, -1):
            given = budget.admit(priority, next(_names), MANY)
            if isinstance(given, Wait):
                assert given.is_hourly
                assert given.seconds == pytest.approx(3601)
                break
            budget.settle(given, good(remaining, limit))
            left[priority] = remaining
    assert list(left.values()) == [limit * share // 100 for share in (10, 15, 20, 30, 40)]


def test_a_tiny_limit_can_be_used_up(process: Process) -> None:
    budget = process()
    asked(budget, good(1, limit=2))
    asked(budget, good(0, limit=2))
    assert refused(budget).is_hourly


def test_answers_that_overtake_each_other_never_give_requests_back(process: Process) -> None:
    budget = process()
    asked(budget, good(1000))
    asked(budget, good(1003, reset=RESET - 1))
    assert budget.state().remaining == 1000
    asked(budget, good(4990, reset=RESET - 3600, resets_in=0))
    assert budget.state().remaining == 1000
    asked(budget, good(999))
    asked(budget, good(4998, reset=RESET + 3600))
    state = budget.state()
    assert (state.limit, state.remaining) == (5000, 4998)
    assert state.resets_at == datetime.fromtimestamp(RESET + 3600, UTC)


def test_a_new_hour_begins_with_one_request_that_finds_out(process: Process, time: Time) -> None:
    one, other = process(), process()
    asked(one, good(0))
    assert refused(other).is_hourly
    time.now += 3601.5
    lease = leased(other)
    assert refused(one).seconds < 0.1
    other.settle(lease, good(4999, reset=RESET + 3600))
    leased(one)


def test_a_pause_holds_for_everybody(process: Process, time: Time) -> None:
    one, other = process(), process()
    asked(one, good(4000))
    under_way = leased(other, Priority.SWEEP)
    asked(one, Settlement(is_refused=True, pause_seconds=30))
    assert refused(other).seconds == pytest.approx(30)
    other.settle(under_way, good(3999))
    assert refused(other).seconds == pytest.approx(30)
    time.now += 30.01
    leased(other)


def test_refusals_of_one_moment_count_once_and_those_that_follow_double(
    process: Process, time: Time
) -> None:
    one, other = process(), process()
    unnamed = Settlement(is_refused=True, pause_seconds=60, is_unnamed=True)
    asked(one, good(4000))
    leases = [(one, leased(one)), (other, leased(other)), (other, leased(other))]
    for budget, lease in leases:
        time.now += 0.1
        budget.settle(lease, unnamed)
    assert refused(one).seconds == pytest.approx(60 - 0.2)
    time.now += 60
    asked(other, unnamed)
    assert refused(one).seconds == pytest.approx(120)
    time.now += 120.01
    asked(one, good(3000))
    asked(other, unnamed)
    assert refused(one).seconds == pytest.approx(60)


@pytest.mark.parametrize("is_alone", [False, True])
def test_a_server_without_limits_is_asked_as_often_as_the_settings_say(
    process: Process, time: Time, is_alone: bool
) -> None:
    unlimited = Settlement(is_unlimited=True, is_good=True)

    def made(a_minute: int) -> Budget:
        limits = Limits(concurrent=4, points_per_minute=a_minute, margin=0)
        if is_alone:
            return Budget("token", "alone", None, limits=limits, clock=time.clock)
        return process(limits, key=str(a_minute))

    free = made(0)
    for _ in range(50):
        asked(free, unlimited)
    if not is_alone:
        leases = [leased(free) for _ in range(50)]
        for lease in leases:
            free.settle(lease, unlimited)
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
        leased(killed)
    assert refused(other).seconds < 0.1
    time.now += 61
    leased(other)


def test_an_emptied_cache_is_rebuilt_from_what_processes_know(
    process: Process, cache_url: str, time: Time
) -> None:
    budget = process()
    for number in range(8):
        asked(budget, good(4000 - number))
    with redis.Redis.from_url(cache_url) as server:
        server.flushall()
    asked(budget, good(3990))
    assert budget.state().remaining == 3990
    asked(budget, good(3989))
    # Eight before, two since: the minute is full.
    assert refused(budget).seconds == pytest.approx(60)


def test_without_the_cache_server_requests_go_on_one_at_a_time(
    time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    away = connect("redis://127.0.0.1:1/0")
    budget = Budget("token", "octo", away, limits=FEW, clock=time.clock)
    first = leased(budget)
    with ThreadPoolExecutor(1) as threads:
        second = threads.submit(leased, budget)
        with pytest.raises(TimeoutError):
            second.result(timeout=0.1)
        budget.settle(first, good(3000))
        budget.settle(second.result(), Settlement(is_refused=True, pause_seconds=30))
    assert refused(budget).seconds == pytest.approx(30)
    assert caplog.text.count("one request at a time") == 1
    assert budget.state().request_count == 2
    time.now += 31
    for number in range(8):
        asked(budget, good(2999 - number))
    assert refused(budget).seconds == pytest.approx(60 - 31, abs=1)
    time.now += 61
    asked(budget, good(0))
    assert refused(budget).is_hourly
