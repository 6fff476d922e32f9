"""Worlds that hypothesis makes: one repository, a run or two, anything that jobs can do."""

from datetime import datetime, timedelta

from hypothesis import strategies as st

from github_standin.world.model import Job, Runner, Step
from github_standin.world.world import World
from tests.github_standin.client import MONDAY

RUNNERS = st.sampled_from([None, Runner(7, "GitHub Actions 7"), Runner(0, "old", None, None)])

CONCLUSIONS = ["success", "failure", "cancelled", "skipped", "timed_out", "neutral"]


def moments(first: int = 0) -> st.SearchStrategy[datetime]:
    return st.integers(first, 200).map(lambda seconds: MONDAY + timedelta(seconds=seconds))


@st.composite
def steps(draw: st.DrawFn) -> tuple[Step, ...]:
    times = draw(st.lists(moments(), max_size=3, unique=True).map(sorted))
    return tuple(
        Step(number, f"step {number}", "success", time, time + timedelta(seconds=5))
        for number, time in enumerate(times, start=1)
    )


@st.composite
def jobs(draw: st.DrawFn, first: int = 0) -> list[Job]:
    made = []
    for name in draw(st.sets(st.sampled_from(["build", "test", "lint", "deploy"]), max_size=4)):
        job = Job(
            0,
            name,
            draw(moments(first)),
            draw(st.none() | moments()),
            draw(st.none() | moments()),
            draw(st.sampled_from(CONCLUSIONS)),
            runner=draw(RUNNERS),
            steps=draw(steps()),
            waiting_status=draw(st.sampled_from(["queued", "waiting"])),
        )
        made.append(job)
    return made


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A world whose run begins on Monday noon and may be run again 100 seconds later."""
    world = World(lambda: MONDAY + timedelta(days=1))
    workflow = world.add_workflow(world.add_repository("octo/app"))
    for _ in range(draw(st.integers(1, 2))):
        run = world.add_run(
            workflow, MONDAY, draw(jobs()), ended_at=draw(st.none() | moments()), event="push"
        )
        if draw(st.booleans()):
            world.add_attempt(run, MONDAY + timedelta(seconds=100), draw(jobs(100)))
        if draw(st.integers(0, 4)) == 0:
            world.lose_attempt(run, 1)
    return world
