"""GitHub as the stand-in shows it: a history, people, and traffic that is planned beforehand."""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta

from github_standin.histories.generated import Sizes, generate
from github_standin.world.model import Job, Repository, Run, Runner, make_job
from github_standin.world.world import World

PUBLIC = ("octo/app", "octo/library")
PRIVATE = "octo/secret"
MEMBER, OUTSIDER = "member", "outsider"
EVENTS_PER_SECOND = 50
JOBS = 4
# Each run is requested, in progress and completed; each job queued, in progress and completed.
EVENTS_OF_RUN = 3 * (JOBS + 1)
ATTEMPTS_OF_STORM = 10
SECOND = timedelta(seconds=1)


def make_world(until: datetime) -> World:
    """Three repositories with a history that ends then, always the same, and two people."""
    world = World()
    for name in (*PUBLIC, PRIVATE):
        sizes = Sizes(runs=60, days=20, busiest_day=3, same_second=0, matrices=0)
        generate(world, sizes, full_name=name, until=until)
    secret = world.repository_named(PRIVATE)
    assert secret is not None
    secret.visibility = "private"
    world.people.add_user(MEMBER, {PRIVATE: "read"})
    world.people.add_user(OUTSIDER)
    world.people.install("octo")
    return world


def plan_traffic(world: World, chance: random.Random, seconds: int) -> None:
    """Add runs that happen from now on, of which so many events a second are told."""
    begin = world.now() + SECOND
    count = seconds * EVENTS_PER_SECOND // EVENTS_OF_RUN
    with world.lock:
        for number in range(count):
            created_at = (begin + number * seconds * SECOND / count).replace(microsecond=0)
            workflow = chance.choice(list(world.workflows.values()))
            run = world.add_run(workflow, created_at, _jobs(chance, created_at, JOBS))
            ended_at = run.attempts[-1].ends_at
            if ended_at is not None and chance.random() < 0.1:
                again_at = ended_at + 2 * SECOND
                world.add_attempt(run, again_at, _jobs(chance, again_at, 1))


def storm(world: World, chance: random.Random, run_count: int) -> None:
    """Run some runs again and again, each time as soon as it has ended."""
    now = world.now().replace(microsecond=0)
    with world.lock:
        over = [run for run in world.runs.values() if (_ends_at(run) or now) < now]
        for run in chance.sample(over, run_count):
            for number in range(ATTEMPTS_OF_STORM):
                again_at = now + (number + 1) * SECOND
                jobs = _jobs(chance, again_at, 2, longest_seconds=1)
                world.add_attempt(run, again_at, jobs)


def is_public(repository: Repository) -> bool:
    """Whether whoever is signed in may read it."""
    return repository.visibility == "public"


def is_over(world: World) -> bool:
    """Whether all that was planned has happened."""
    with world.lock:
        return all((_ends_at(run) or world.now()) <= world.now() for run in world.runs.values())


def _ends_at(run: Run) -> datetime | None:
    return run.attempts[-1].ends_at


def _jobs(
    chance: random.Random, created_at: datetime, count: int, longest_seconds: int = 5
) -> Iterator[Job]:
    for number in range(count):
        [conclusion] = chance.choices(("success", "failure", "cancelled"), (80, 15, 5))
        yield make_job(
            f"job {number}",
            created_at,
            queue_seconds=chance.randrange(longest_seconds),
            duration_seconds=chance.randint(1, longest_seconds),
            conclusion=conclusion,
            runner=Runner(1000 + number, f"runner {number}"),
        )
