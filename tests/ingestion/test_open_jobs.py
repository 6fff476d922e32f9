"""Jobs of runs that are under way: what polling alone stores of them, and what that costs."""

from datetime import datetime, timedelta

import pytest
from werkzeug.wrappers import Request, Response

from github_standin.world.model import Job, Run, make_job
from tests.ingestion.assertions import assert_exact
from tests.ingestion.factories import MINUTE, START, Installation, job, run, workflow
from tests.ingestion.scenarios import HEAD, POLL, Own, Poll, Scenario, Steps
from tests.ingestion.test_webhook_coverage import run_ids, tell

pytestmark = pytest.mark.integration

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def later(name: str, at: datetime, *, waits: int, lasts: int | None) -> Job:
    """A job by the minutes for which it waits and lasts; None: for ever."""
    return make_job(
        name,
        at,
        queue_seconds=waits * 60,
        duration_seconds=None if lasts is None else lasts * 60,
    )


def job_listings(own: Installation) -> list[int]:
    """The runs whose jobs were asked for since the last call."""
    return [int(path.split("/")[6]) for path in own.paths() if path.endswith("/jobs")]


def empty_jobs(request: Request) -> Response | None:
    """A listing of jobs that has none, although it should."""
    if not request.path.endswith("/jobs"):
        return None
    return Response('{"total_count": 0, "jobs": []}', content_type="application/json")


def test_open_runs_leave_a_share_of_the_limit_to_what_completes(own: Installation) -> None:
    ci = workflow(own.world)
    at = START - 10 * MINUTE
    ended = run(ci, own.world, at)
    under_way = own.world.add_run(ci, at, [later("long", at, waits=0, lasts=60)])
    own.monitor("octo/hello")
    own.server.rate_limit = 7  # of which 5 are spent when open runs are asked for
    results = own.collect("head", "open")
    assert results[-1].troubles == {}
    assert {row[1] for row in own.jobs()} == {ended.id}
    own.server.rate_limit = 5_000
    own.clock.advance(2 * HOUR - 20 * MINUTE)
    own.collect("head", "open")
    assert {row[1] for row in own.jobs()} == {ended.id, under_way.id}


def polling_alone_stores_the_jobs_of_open_runs_as_they_are_at_each_poll(own: Own) -> Steps:
    ci = own.monitored()
    yield POLL
    at = START + MINUTE
    own.world.add_run(
        ci,
        at,
        [
            later("quick", at, waits=2, lasts=5),
            later("slow", at, waits=7, lasts=15),
            later("never taken", at, waits=26, lasts=2),
            later("after quick", at + 7 * MINUTE, waits=5, lasts=8),
        ],
    )
    queued = own.world.add_run(ci, at, [later("all wait", at, waits=22, lasts=2)])
    gated = own.world.add_run(ci, at, [later("gate", at, waits=12, lasts=3)])
    gated.attempts[0].waiting_status = gated.attempts[0].jobs[0].waiting_status = "waiting"
    statuses: set[tuple[int, str]] = set()
    for _ in range(4):
        yield 10 * MINUTE
        troubles = yield HEAD
        assert troubles == {}
        assert_exact(own, least=3)
        statuses |= {(row[1], row[3]) for row in own.jobs()}
    assert {(queued.id, "queued"), (queued.id, "completed"), (gated.id, "waiting")} <= statuses
    assert own.of_own("raw.open_job_listings") == []
    assert own.of_own("raw.owed_job_listings") == []


def a_poll_counts_the_listings_of_completed_and_of_open_runs(own: Own) -> Steps:
    ci = own.monitored()
    yield POLL
    for _ in range(3):
        own.world.add_run(ci, START, [later("ends", START, waits=1, lasts=1)])
    own.world.add_run(ci, START, [later("goes on", START, waits=1, lasts=60)])
    yield 5 * MINUTE
    job_listings(own)
    yield HEAD
    assert len(job_listings(own)) == 4
    assert own.polls("jobs")[-1]["request_count"] == 4


def a_job_that_its_attempt_lists_no_more_is_stamped_and_one_that_returns_is_not(own: Own) -> Steps:
    ci = own.monitored()
    at = START - MINUTE
    open_run = own.world.add_run(
        ci, at, [later("stays", at, waits=1, lasts=30), later("goes", at, waits=9, lasts=30)]
    )
    yield POLL
    jobs = open_run.attempts[0].jobs
    vanished = jobs.pop()

    def gone() -> dict[int, bool]:
        jobs = own.everything()["workflow_jobs"]
        return {job["job_id"]: job["gone_at"] is not None for job in jobs}

    loads = own.loads_of_rows()
    yield 10 * MINUTE
    yield HEAD
    assert gone() == {jobs[0].id: False, vanished.id: True}
    assert own.loads_of_rows() - loads

    jobs.append(vanished)
    yield 10 * MINUTE
    yield HEAD
    assert gone() == {jobs[0].id: False, vanished.id: False}

    jobs.pop()
    yield HOUR
    yield HEAD
    assert gone() == {jobs[0].id: False, vanished.id: True}

    own.fault = empty_jobs
    own.query(
        "update raw.workflow_runs set updated_at = %s where run_id = %s returning 1",
        START,
        open_run.id,
    )
    yield Poll(is_watched=True)
    assert gone() == {jobs[0].id: False, vanished.id: True}


def jobs_of_a_run_that_is_stuck_are_listed_ever_more_rarely(own: Own) -> Steps:
    ci = own.monitored()
    at = START - 10 * MINUTE
    jobs = [job("done", at), later("lost", at, waits=1, lasts=None)]
    stuck = own.world.add_run(ci, at, jobs, run_id=17_000_000_000 + 10_000 * own.number)
    yield POLL
    assert {row[3] for row in own.jobs()} == {"completed", "in_progress"}
    own.paths()

    costs = []
    for after in (timedelta(), HOUR, 30 * DAY):
        yield after
        yield HEAD
        own.paths()
        for _ in range(4):
            yield 5 * MINUTE
            yield HEAD
        costs.append(len(job_listings(own)))
    assert costs[0] == 3
    assert costs[1] <= 1
    assert costs[2] == 0
    # What moves on is seen by the next poll.
    stuck.attempts[0].jobs[1].completed_at = own.clock.now + MINUTE
    yield 5 * MINUTE
    yield Poll(("head", "open"), is_watched=True)
    assert {row[3] for row in own.jobs()} == {"completed"}


def what_webhooks_told_of_an_open_run_is_not_listed(own: Own) -> Steps:
    ci = own.monitored()
    run(ci, own.world, START - HOUR)
    yield POLL
    yield HOUR
    at = own.clock.now - MINUTE
    ids = run_ids(own, sampled=False)

    def add(*names: str) -> Run:
        jobs = [later(name, at, waits=0, lasts=30) for name in names]
        return own.world.add_run(ci, at, jobs, run_id=next(ids))

    add("build", "test")
    unknown = add("build", "other")
    tell(own, START)
    own.paths()
    yield HEAD
    assert job_listings(own) == [unknown.id]
    # Without another event everything is listed when it has completed.
    yield 2 * HOUR
    yield HEAD
    assert_exact(own, least=3)


SCENARIOS: tuple[Scenario, ...] = (
    polling_alone_stores_the_jobs_of_open_runs_as_they_are_at_each_poll,
    a_poll_counts_the_listings_of_completed_and_of_open_runs,
    a_job_that_its_attempt_lists_no_more_is_stamped_and_one_that_returns_is_not,
    jobs_of_a_run_that_is_stuck_are_listed_ever_more_rarely,
    what_webhooks_told_of_an_open_run_is_not_listed,
)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test(failures: dict[Scenario, Exception], scenario: Scenario) -> None:
    if failure := failures.get(scenario):
        raise failure
