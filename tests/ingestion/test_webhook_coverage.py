"""Job listings that are spared since webhooks told the jobs, and those that must not be."""

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any

import orjson
import pytest

from actionsight.event_buffer import EventBuffer
from github_standin.webhooks.deliveries import Delivery, deliveries_between
from github_standin.world.model import Run
from ingestion.github.loops.webhook_coverage import is_sampled
from ingestion.webhooks.drain import drain
from tests.ingestion.factories import MINUTE, START, Installation, job, run
from tests.ingestion.scenarios import HEAD, POLL, Own, Scenario, Steps

pytestmark = pytest.mark.integration

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def run_ids(own: Own, *, sampled: bool) -> Iterator[int]:
    """Ids of runs that are listed all the same, or that are not; another scenario has others."""
    first = 17_000_000_000 + 10_000 * own.number
    return (number for number in range(first, first + 10_000) if is_sampled(number) is sampled)


def tell(
    own: Installation,
    after: datetime,
    is_lost: Callable[[Delivery, dict[str, Any]], bool] = lambda *_: False,
) -> None:
    """Let webhooks tell what has happened since then, but for what is lost."""
    assert own.settings.redis_url is not None
    assert own.settings.database_url is not None
    ids = own.repository_ids()
    with closing(EventBuffer(own.settings.redis_url)) as buffer:
        for delivery in deliveries_between(own.world, after, own.clock.now):
            if ids is not None and delivery.repository_id not in ids:
                continue
            if is_lost(delivery, orjson.loads(delivery.body)):
                continue
            headers = {
                "X-GitHub-Event": delivery.event,
                "X-GitHub-Delivery": delivery.delivery_id,
                "Content-Type": "application/json",
            }
            buffer.append(headers, delivery.body)
        drain(own.settings.database_url, buffer)


def job_name(body: dict[str, Any]) -> str | None:
    """The job that an event tells of, if it does."""
    name: str | None = body.get("workflow_job", {}).get("name")
    return name


def listed_by_github(own: Installation) -> set[int]:
    """The runs whose jobs were asked for since the last call."""
    return {int(path.split("/")[6]) for path in own.paths() if path.endswith("/jobs")}


def covered(own: Own) -> set[int]:
    """The runs whose listing was left out by what webhooks told."""
    return {row["run_id"] for row in own.of_own("raw.job_listings") if row["is_told"]}


def a_run_that_webhooks_told_completely_costs_no_job_request(own: Own) -> Steps:
    ci = own.monitored()
    run(ci, own.world, START - HOUR)
    yield POLL
    yield HOUR
    at = own.clock.now - 30 * MINUTE
    ids = run_ids(own, sampled=False)

    def add(*names: str) -> Run:
        jobs = [job(name, at) for name in names or ("build", "test")]
        return own.world.add_run(ci, at, jobs, run_id=next(ids))

    whole, no_event, no_job, no_end, rerun = (add() for _ in range(5))
    other_names, fewer = add("build", "deploy"), add("build")
    skipped = own.world.add_run(
        ci, at, [job("build", at), job("test", at, conclusion="skipped")], run_id=next(ids)
    )
    skipped.attempts[0].jobs[1].runner = None
    own.world.add_attempt(rerun, at + 10 * MINUTE, [job("test", at + 10 * MINUTE)])

    def is_lost(delivery: Delivery, body: dict[str, Any]) -> bool:
        of_test = job_name(body) == "test"
        if delivery.run_id == no_event.id:
            return of_test and delivery.action == "in_progress"
        if delivery.run_id == no_job.id:
            return of_test
        return delivery.run_id == no_end.id and of_test and delivery.action == "completed"

    tell(own, START, is_lost)
    own.paths()

    troubles = yield POLL

    assert troubles == {}
    assert listed_by_github(own) == {
        each.id for each in (no_event, no_job, no_end, rerun, other_names, fewer)
    }
    assert covered(own) == {whole.id, skipped.id}
    assert own.of_own("raw.owed_job_listings") == []
    final = own.query(
        "select * from raw.job_listings where run_id = any(%s)", [whole.id, skipped.id]
    )
    for listing in final:
        assert (listing["total_count"], listing["row_count"]) == (2, 2)
        assert listing["run_updated_at"] is not None
    # What GitHub listed is there by it, what was told by that.
    assert {row[1] for row in own.jobs()}.isdisjoint({whole.id, skipped.id})
    covered_jobs = own.query(
        "select distinct job_id from raw.webhook_jobs where run_id = %s", whole.id
    )
    assert {row["job_id"] for row in covered_jobs} == {each.id for each in whole.attempts[0].jobs}

    yield DAY
    yield POLL
    assert listed_by_github(own) == set()


def a_sample_that_shows_that_webhooks_told_too_little_owes_what_was_spared(own: Own) -> Steps:
    ci = own.monitored()
    run(ci, own.world, START - HOUR)
    yield POLL
    ids, sampled = run_ids(own, sampled=False), run_ids(own, sampled=True)

    def add(run_id: int) -> Run:
        """With a job of which nothing is told."""
        at = own.clock.now - 10 * MINUTE
        return own.world.add_run(
            ci, at, [job(name, at) for name in ("build", "test", "new")], run_id=run_id
        )

    def is_lost(_: Delivery, body: dict[str, Any]) -> bool:
        return job_name(body) == "new"

    yield HOUR
    before = add(next(ids))
    tell(own, START, is_lost)
    own.paths()
    yield POLL
    assert listed_by_github(own) == set()
    assert covered(own) == {before.id}

    yield HOUR
    beside, liar = add(next(ids)), add(next(sampled))
    tell(own, START + HOUR, is_lost)
    yield POLL
    assert listed_by_github(own) == {liar.id}
    assert covered(own) == set()
    owed = own.of_own("raw.owed_job_listings")
    assert {row["run_id"] for row in owed} == {before.id, beside.id}

    yield POLL
    assert listed_by_github(own) == {before.id, beside.id}
    assert own.of_own("raw.owed_job_listings") == []
    assert {row[1] for row in own.jobs()} >= {before.id, beside.id, liar.id}

    yield HOUR
    after = add(next(ids))
    tell(own, START + 2 * HOUR, is_lost)
    yield POLL
    assert listed_by_github(own) == {after.id}, "from now on its names are known"


def a_run_whose_jobs_could_be_some_of_those_of_another_is_listed(own: Own) -> Steps:
    ci = own.monitored()
    ids = run_ids(own, sampled=False)

    def add(*names: str) -> Run:
        at = own.clock.now - 10 * MINUTE
        return own.world.add_run(ci, at, [job(name, at) for name in names], run_id=next(ids))

    def is_lost(delivery: Delivery, body: dict[str, Any]) -> bool:
        return delivery.run_id == less.id and job_name(body) == "lint"

    # A matrix that differs from run to run, as GitHub's listings show.
    add("build", "test", "lint")
    yield POLL
    add("build", "test")
    yield POLL
    yield HOUR
    less, as_told = add("build", "test", "lint"), add("build", "test")
    tell(own, START, is_lost)
    own.paths()
    yield POLL
    assert listed_by_github(own) == {less.id, as_told.id}
    assert covered(own) == set()
    assert {row[0] for row in own.jobs()} >= {each.id for each in less.attempts[0].jobs}

    # That of which there are no more is believed.
    yield HOUR
    add("build", "test", "lint")
    yield POLL
    yield HOUR
    most = add("build", "test", "lint")
    tell(own, own.clock.now - HOUR)
    own.paths()
    yield POLL
    assert covered(own) == {most.id}
    assert listed_by_github(own) == set()


def a_rerun_of_an_old_run_that_only_a_webhook_told_of_is_asked_for_by_its_id(own: Own) -> Steps:
    ci = own.monitored()
    old = run(ci, own.world, START - 20 * DAY)
    yield POLL
    yield 2 * HOUR
    at = own.clock.now - 2 * MINUTE
    own.world.add_attempt(old, at, [job("test", at)])
    tell(own, START)
    # However long it waited in the event buffer: it is drained since the last poll.
    own.query(
        """
        update raw.webhook_runs set received_at = received_at - interval '9 days'
        where run_id = %s returning 1
        """,
        old.id,
    )
    own.paths()
    yield HEAD
    assert f"/repos/{own.name}/actions/runs/{old.id}" in own.paths()
    assert (old.id, 2, "in_progress", None) in own.attempts()
    yield HOUR
    yield HEAD
    assert (old.id, 2, "completed", "success") in own.attempts()
    own.paths()
    yield 10 * MINUTE
    yield HEAD
    assert f"/repos/{own.name}/actions/runs/{old.id}" not in own.paths()


def a_workflow_that_could_not_start_is_listed_until_that_showed_no_jobs(own: Own) -> Steps:
    ci = own.monitored()
    ids = run_ids(own, sampled=False)

    def fail_to_start(at: datetime, *jobs: str) -> Run:
        return own.world.add_run(
            ci,
            at,
            [job(name, at) for name in jobs],
            run_id=next(ids),
            ended_at=at + MINUTE,
            conclusion="startup_failure",
        )

    first = fail_to_start(START - HOUR)
    yield POLL
    assert listed_by_github(own) == {first.id}

    yield HOUR
    second = fail_to_start(own.clock.now - 10 * MINUTE)
    own.paths()
    yield POLL
    assert listed_by_github(own) == set()
    assert covered(own) == {second.id}

    # Should one ever have jobs, the sample shows it, and none is taken on trust any more.
    yield HOUR
    odd = own.world.add_run(
        ci,
        own.clock.now - 10 * MINUTE,
        [job("build", own.clock.now - 10 * MINUTE)],
        run_id=next(run_ids(own, sampled=True)),
        conclusion="startup_failure",
    )
    yield POLL
    yield POLL
    assert covered(own) == set()
    assert {row["run_id"] for row in own.everything()["workflow_jobs"]} == {odd.id}


SCENARIOS: tuple[Scenario, ...] = (
    a_run_that_webhooks_told_completely_costs_no_job_request,
    a_sample_that_shows_that_webhooks_told_too_little_owes_what_was_spared,
    a_run_whose_jobs_could_be_some_of_those_of_another_is_listed,
    a_rerun_of_an_old_run_that_only_a_webhook_told_of_is_asked_for_by_its_id,
    a_workflow_that_could_not_start_is_listed_until_that_showed_no_jobs,
)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test(failures: dict[Scenario, Exception], scenario: Scenario) -> None:
    if failure := failures.get(scenario):
        raise failure
