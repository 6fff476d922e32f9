"""The invented history tells its story at whatever time it is told."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from github_standin import INVENTED
from github_standin.histories import invented
from github_standin.server.server import Server
from github_standin.world.model import Attempt, Job, Run, attempt_state, job_state, jobs_at
from github_standin.world.world import World
from orchestration.levels.detection import levels
from tests.github_standin.client import Clock, body
from tests.github_standin.schemas import validator

pytestmark = pytest.mark.unit

DAY = timedelta(days=1)
# A Saturday night, a Monday morning, a rush hour, the end of a year.
PRESENTS = [
    datetime(2026, 11, 28, 23, 59, tzinfo=UTC),
    datetime(2026, 11, 30, 0, 1, tzinfo=UTC),
    datetime(2026, 11, 26, 14, 20, tzinfo=UTC),
    datetime(2026, 12, 31, 12, 0, tzinfo=UTC),
]


@pytest.fixture(params=PRESENTS, ids=str, scope="module")
def world(request: pytest.FixtureRequest) -> World:
    world = World(Clock(request.param))
    invented.invent(world, request.param)
    return world


def runs(world: World, workflow: str, event: str | None = None) -> list[Run]:
    """Oldest first, as many as there are at present."""
    [repository_id] = world.repositories
    found = reversed(world.runs_newest_first(repository_id))
    return [run for run in found if run.name == workflow and event in (None, run.event)]


def conclusions(world: World, of: list[Run]) -> list[str | None]:
    return [attempt_state(run.attempts_at(world.now())[-1], world.now()).conclusion for run in of]


def seconds(of: Attempt | Job) -> int:
    started_at = of.run_started_at if isinstance(of, Attempt) else of.started_at
    assert of.ends_at is not None
    assert started_at is not None
    return int((of.ends_at - started_at).total_seconds())


def failed(attempt: Attempt) -> set[str]:
    return {job.name for job in attempt.jobs if job.conclusion == "failure"}


def executed(world: World) -> Iterator[tuple[Run, Attempt, Job]]:
    [repository_id] = world.repositories
    for run in world.runs_newest_first(repository_id):
        for attempt in run.attempts_at(world.now()):
            for job in jobs_at(attempt, world.now()):
                if job.runner is not None and job.runner.id and not job.is_carried_over:
                    yield run, attempt, job


def test_it_says_that_it_is_invented_and_is_always_the_same(world: World) -> None:
    answer = body(Server(world), f"/repos/{INVENTED}")
    assert answer["description"].startswith("Invented")
    again = World(Clock(world.now()))
    invented.invent(again, world.now())
    assert (again.runs, again.repositories) == (world.runs, world.repositories)


def test_eight_weeks_lie_before_the_present_and_it_goes_on(world: World) -> None:
    created = sorted(run.created_at for run in world.runs.values())
    assert created[0] < world.now() - 56 * DAY
    assert created[-1] > world.now() + 26 * DAY
    # Whoever collects it asks once for each of them, within GitHub's limits of a minute.
    assert 400 < sum(of <= world.now() for of in created) < 550


def test_one_default_branch_is_red_now_and_another_one_was(world: World) -> None:
    browser = conclusions(world, runs(world, "Browser tests", "push"))
    assert browser[-5:] == ["success", "failure", "failure", "failure", None]
    red = runs(world, "Browser tests", "push")[-4:-1]
    assert all(failed(run.attempts[0]) == {"checkout (chromium)"} for run in red)
    ci = conclusions(world, runs(world, "CI", "push"))
    assert [ci[position] for position in range(-22, -17)] == [
        "success",
        *["failure"] * 3,
        "success",
    ]
    assert ci[-2] == "success"
    for name in ("Nightly", "Deploy"):
        decided = [of for of in conclusions(world, runs(world, name)) if of is not None]
        assert decided[-1] == "success", name


def test_a_commit_made_it_slower(world: World) -> None:
    of_main = runs(world, "CI", "push")
    ended = [run for run in of_main if conclusions(world, [run]) == ["success"]]
    [of_run] = levels([seconds(run.attempts_at(world.now())[-1]) for run in ended])
    builds = [next(job for job in run.attempts[0].jobs if job.name == "build") for run in ended]
    [of_build] = levels([seconds(build) for build in builds])
    assert of_run == of_build
    first = ended[of_run]
    assert first.display_title == "Minify the app with whole-program analysis"
    assert world.now() - 28 * DAY < first.created_at < world.now() - 14 * DAY


def test_a_job_flakes_in_one_step_and_passes_on_the_same_commit(world: World) -> None:
    flaked = [run for run in runs(world, "CI") if len(run.attempts_at(world.now())) == 2]
    assert len(flaked) > 10
    for run in flaked:
        first, second = run.attempts
        assert failed(first)
        assert failed(second) == set()
    of_payments = [
        {step.name for step in job.steps if step.conclusion == "failure"}
        for run in flaked
        for job in run.attempts[0].jobs
        if (job.name, job.conclusion) == ("phones / payments", "failure")
    ]
    assert len(of_payments) > 5
    assert all(steps == {"Run payments tests"} for steps in of_payments)


def test_a_developers_failures_are_of_three_kinds(world: World) -> None:
    mine = [
        run for run in world.runs.values() if run.head_branch == "developer/remember-the-basket"
    ]
    assert {(run.name, name) for run in mine for name in failed(run.attempts[0])} == {
        ("CI", "phones / payments"),
        ("Browser tests", "checkout (chromium)"),
        ("Browser tests", "search (chromium)"),
    }
    assert {run.pull_requests[0]["number"] for run in mine} != {None}


def test_runners_of_four_kinds_work_and_one_is_waited_for(world: World) -> None:
    kinds = {job.labels for _, _, job in executed(world)}
    assert len(kinds) == 6
    phones = [job for _, _, job in executed(world) if "phones" in job.labels]
    waits = sorted(job.started_at - job.created_at for job in phones if job.started_at)
    assert waits[len(waits) // 2] < timedelta(minutes=1)
    assert waits[len(waits) * 19 // 20] > timedelta(minutes=5)
    [waiting] = [
        job
        for run in runs(world, "Tills")
        for job in run.attempts[0].jobs
        if job_state(job, world.now()).status == "queued"
    ]
    assert "till" in waiting.labels
    now = runs(world, "CI")[-1]
    assert attempt_state(now.attempts[0], world.now()).status == "in_progress"


def test_a_rack_does_one_job_at_a_time(world: World) -> None:
    spans = sorted(
        (job.started_at, job.completed_at)
        for run in world.runs.values()
        for job in run.attempts[0].jobs
        if job.runner is not None and job.runner.name == "rack-1"
        if job.started_at is not None and job.completed_at is not None
    )
    assert all(before[1] <= after[0] for before, after in pairwise(spans))


def test_runs_are_superseded_and_cancelled_and_their_jobs_end_with_them(world: World) -> None:
    cancelled = [run for run in runs(world, "CI") if conclusions(world, [run]) == ["cancelled"]]
    by_newer = [
        run
        for run in cancelled
        for newer in runs(world, "CI")
        if newer.head_branch == run.head_branch
        and (ends_at := run.attempts[0].ends_at)
        and run.created_at < newer.created_at < ends_at
    ]
    assert len(by_newer) > 3
    assert len(cancelled) > len(by_newer)
    assert "timed_out" in {job.conclusion for _, _, job in executed(world)}


def test_what_it_answers_is_valid_under_the_published_schemas(world: World) -> None:
    server, runs_path = Server(world), "/repos/{owner}/{repo}/actions/runs"
    listed = body(server, f"/repos/{INVENTED}/actions/runs?per_page=60")
    validator(runs_path).validate(listed)
    for run in listed["workflow_runs"]:
        jobs = body(server, f"/repos/{INVENTED}/actions/runs/{run['id']}/jobs?filter=all")
        validator(f"{runs_path}/{{run_id}}/jobs").validate(jobs)
