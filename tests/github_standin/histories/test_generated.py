"""A generated history: its size, what it holds, and that it is always the same."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from github_standin.histories.generated import Generated, Sizes, generate
from github_standin.server.server import Server
from github_standin.world.model import attempt_state
from github_standin.world.world import World
from tests.github_standin.client import MONDAY, Clock, body, rows
from tests.github_standin.schemas import validator

pytestmark = pytest.mark.unit

R = "/repos/octo/generated/actions/runs"
SMALL = Sizes(runs=600, extra_attempts=60, busiest_day=120, same_second=5, most_jobs=3)


def made(sizes: Sizes, seed: int = 1) -> tuple[World, Generated]:
    world = World(Clock())
    return world, generate(world, sizes, seed=seed)


def shown(world: World) -> list[Any]:
    return [
        (run.id, run.created_at, run.event, [repr(attempt.jobs) for attempt in run.attempts])
        for run in world.runs.values()
    ]


@pytest.fixture(scope="module")
def small() -> tuple[World, Generated]:
    return made(SMALL)


def test_it_is_as_large_as_was_asked(small: tuple[World, Generated]) -> None:
    world, told = small
    runs = list(world.runs.values())
    attempts = [attempt for run in runs for attempt in run.attempts]
    jobs = [job for attempt in attempts for job in attempt.jobs]
    assert (told.run_count, told.attempt_count, told.job_count) == (600, 660, len(jobs))
    assert (len(runs), len(attempts)) == (600, 660)
    assert len({job.id for job in jobs}) == len(jobs)
    assert told.first == min(run.created_at for run in runs) >= MONDAY - timedelta(366)


def test_it_holds_what_is_hard_to_collect(small: tuple[World, Generated]) -> None:
    world, _ = small
    runs = list(world.runs.values())
    assert max(Counter(run.created_at.date() for run in runs).values()) >= 120
    assert max(Counter(run.created_at for run in runs).values()) >= 5
    assert sum(len(run.attempts[0].jobs) >= 256 for run in runs) == 2
    later = [attempt for run in runs for attempt in run.attempts[1:]]
    jobs = [job for attempt in later for job in attempt.jobs]
    assert any(job.is_carried_over for job in jobs)
    assert any(len(run.attempts) > 2 for run in runs)
    waits = [run.attempts[-1].run_started_at - run.created_at for run in runs]
    assert timedelta(days=14) < max(waits) <= timedelta(days=31)
    ends = Counter(attempt_state(run.attempts[0], MONDAY).conclusion for run in runs)
    assert {"success", "failure", "cancelled", "startup_failure", "skipped"} <= set(ends)
    unstarted = [run for run in runs if run.attempts[0].conclusion == "startup_failure"]
    assert unstarted
    assert not any(run.attempts[0].jobs for run in unstarted)


def test_all_of_it_is_over_so_nothing_changes_by_itself(small: tuple[World, Generated]) -> None:
    world, told = small
    assert told.last < MONDAY
    assert all(
        attempt_state(attempt, MONDAY).status == "completed"
        for run in world.runs.values()
        for attempt in run.attempts
    )


def test_the_same_seed_makes_the_same_history(small: tuple[World, Generated]) -> None:
    assert shown(made(SMALL)[0]) == shown(small[0])
    assert shown(made(SMALL, seed=2)[0]) != shown(small[0])


def test_what_is_served_of_it_is_valid(small: tuple[World, Generated]) -> None:
    world, _ = small
    server = Server(world, rate_limit=None)
    listed = rows(server, f"{R}?per_page=100", "workflow_runs")
    assert len(listed) == 600
    for run in listed[::60]:
        validator("/repos/{owner}/{repo}/actions/runs/{run_id}").validate(run)
        jobs = body(server, f"{R}/{run['id']}/jobs?filter=all&per_page=100")
        validator("/repos/{owner}/{repo}/actions/runs/{run_id}/jobs").validate(jobs)


def test_a_search_does_not_show_the_busiest_day_of_a_large_one() -> None:
    world, told = made(Sizes(runs=4_400, busiest_day=1_100, same_second=20, steps=0))
    assert told.attempt_count == 4_400 + 220
    day, count = Counter(run.created_at.date() for run in world.runs.values()).most_common(1)[0]
    assert count >= 1_100
    server = Server(world, rate_limit=None)
    found = rows(server, f"{R}?created={day}&per_page=100", "workflow_runs")
    assert len(found) == 1_000
    assert body(server, f"{R}?created={day}&per_page=1")["total_count"] == count
