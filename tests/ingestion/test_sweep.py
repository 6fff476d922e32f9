"""The daily sweep: what changed in old runs is found, and where nothing did it costs next to
nothing."""

from datetime import timedelta

import pytest

from ingestion.github.loops import sweep
from ingestion.github.state.repositories import Repository, monitored_repositories
from tests.ingestion.assertions import assert_exact
from tests.ingestion.factories import MINUTE, START, failing, job, run
from tests.ingestion.scenarios import HEAD, POLL, SWEEP, Own, Poll, Scenario, Steps

pytestmark = pytest.mark.integration

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def a_rerun_of_an_old_run_is_found(own: Own) -> Steps:
    ci = own.monitored()
    old, other = run(ci, own.world, START - 20 * DAY), run(ci, own.world, START - 12 * DAY)
    yield POLL
    yield DAY
    for number in (1, 2):
        at = own.clock.now - (3 - number) * HOUR
        own.world.add_attempt(old, at, [job("test", at)])
    # It is not over yet: the next poll sees its end.
    own.world.add_attempt(other, own.clock.now - MINUTE, [job("test", own.clock.now - MINUTE)])

    yield HEAD
    assert {row[1] for row in own.attempts()} == {1}
    troubles = yield POLL
    assert troubles == {}
    assert_exact(own, least=5)

    yield 10 * MINUTE
    yield HEAD
    assert_exact(own, least=5)
    (swept,) = own.polls("sweep")
    assert (swept["changed"], swept["error"]) == (3, None)


def a_sweep_is_due_once_a_day_and_costs_a_page_for_a_hundred_runs(own: Own) -> Steps:
    ci = own.monitored()
    for number in range(230):
        own.world.add_run(ci, START - 25 * DAY + number * HOUR, ended_at=START)
    yield Poll(has_jobs=False)

    def repository() -> Repository:
        with own.connect() as connection:
            known = {each.full_name: each for each in monitored_repositories(connection)}
        return known[own.name]

    # What is new was just read as history.
    assert [sweep.is_due(repository(), START + hours * HOUR) for hours in (0, 21, 23)] == [
        False,
        False,
        True,
    ]
    assert own.polls("sweep") == []
    yield DAY
    own.paths()
    loads = own.loads_of_rows()
    yield SWEEP
    assert len(own.paths()) == 3
    assert own.loads_of_rows() == loads
    (poll,) = own.polls("sweep")
    assert (poll["seen"], poll["changed"], poll["request_count"], poll["load_ids"]) == (
        230,
        0,
        3,
        [],
    )
    assert own.repository(own.name)["swept_at"] == own.clock.now
    yield 12 * HOUR
    yield SWEEP
    assert own.paths() == []
    yield 12 * HOUR
    yield SWEEP
    assert len(own.paths()) > 0


def a_sweep_that_failed_is_made_again_at_the_next_poll(own: Own) -> Steps:
    ci = own.monitored()
    old = run(ci, own.world, START - 20 * DAY)
    yield POLL
    yield DAY
    own.world.add_attempt(old, own.clock.now - HOUR, [job("test", own.clock.now - HOUR)])
    own.fault = failing(f"{own.name}/actions/runs")
    yield SWEEP
    state = own.repository(own.name)
    assert (state["swept_at"], state["trouble_loop"]) == (None, "sweep")

    own.fault = None
    yield 10 * MINUTE
    yield HEAD
    assert own.repository(own.name)["trouble"] is not None, "the poll does not mend the sweep"
    yield SWEEP
    assert own.repository(own.name)["trouble"] is None
    yield HEAD
    assert_exact(own, least=2)


SCENARIOS: tuple[Scenario, ...] = (
    a_rerun_of_an_old_run_is_found,
    a_sweep_is_due_once_a_day_and_costs_a_page_for_a_hundred_runs,
    a_sweep_that_failed_is_made_again_at_the_next_poll,
)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test(failures: dict[Scenario, Exception], scenario: Scenario) -> None:
    if failure := failures.get(scenario):
        raise failure
