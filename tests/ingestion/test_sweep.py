"""The daily sweep: what changed in old runs is found, and where nothing did it costs next to
nothing."""

from datetime import timedelta

import pytest

from ingestion.github.loops import sweep
from ingestion.github.state.repositories import Repository, monitored_repositories
from tests.ingestion.assertions import assert_exact
from tests.ingestion.factories import MINUTE, START, Installation, failing, job, run, workflow

pytestmark = pytest.mark.integration

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def test_a_rerun_of_an_old_run_is_found(own: Installation) -> None:
    ci = workflow(own.world)
    old, other = run(ci, own.world, START - 20 * DAY), run(ci, own.world, START - 12 * DAY)
    own.monitor("octo/hello")
    own.collect()
    own.clock.advance(DAY)
    for number in (1, 2):
        at = own.clock.now - (3 - number) * HOUR
        own.world.add_attempt(old, at, [job("test", at)])
    # It is not over yet: the next poll sees its end.
    own.world.add_attempt(other, own.clock.now - MINUTE, [job("test", own.clock.now - MINUTE)])

    own.collect("head", "open")
    assert {row[1] for row in own.attempts()} == {1}
    results = own.collect()
    assert results[-1].troubles == {}
    assert_exact(own, least=5)

    own.clock.advance(10 * MINUTE)
    own.collect("head", "open")
    assert_exact(own, least=5)
    (swept,) = own.polls("sweep")
    assert (swept["changed"], swept["error"]) == (3, None)


def test_a_sweep_is_due_once_a_day_and_costs_a_page_for_a_hundred_runs(own: Installation) -> None:
    ci = workflow(own.world)
    for number in range(230):
        own.world.add_run(ci, START - 25 * DAY + number * HOUR, ended_at=START)
    own.monitor("octo/hello")
    own.collect()

    def repository() -> Repository:
        with own.connect() as connection:
            (found,) = monitored_repositories(connection)
        return found

    # What is new was just read as history.
    assert [sweep.is_due(repository(), START + hours * HOUR) for hours in (0, 21, 23)] == [
        False,
        False,
        True,
    ]
    assert own.polls("sweep") == []
    own.clock.advance(DAY)
    own.paths()
    loads = own.loads()
    own.collect("sweep")
    assert len(own.paths()) == 3
    assert own.loads() == loads
    (poll,) = own.polls("sweep")
    assert (poll["seen"], poll["changed"], poll["request_count"], poll["load_ids"]) == (
        230,
        0,
        3,
        [],
    )
    assert own.repository("octo/hello")["swept_at"] == own.clock.now
    own.clock.advance(12 * HOUR)
    own.collect("sweep")
    assert own.paths() == []
    own.clock.advance(11 * HOUR)
    own.collect("sweep")
    assert len(own.paths()) > 0


def test_a_sweep_that_failed_is_made_again_at_the_next_poll(own: Installation) -> None:
    ci = workflow(own.world)
    old = run(ci, own.world, START - 20 * DAY)
    own.monitor("octo/hello")
    own.collect()
    own.clock.advance(DAY)
    own.world.add_attempt(old, own.clock.now - HOUR, [job("test", own.clock.now - HOUR)])
    own.server.fault = failing("octo/hello/actions/runs")
    own.collect("sweep")
    state = own.repository("octo/hello")
    assert (state["swept_at"], state["trouble_loop"]) == (None, "sweep")

    own.server.fault = None
    own.clock.advance(10 * MINUTE)
    own.collect("head", "open")
    assert own.repository("octo/hello")["trouble"] is not None, "the poll does not mend the sweep"
    own.collect("sweep")
    assert own.repository("octo/hello")["trouble"] is None
    own.collect("head")
    assert_exact(own, least=2)
