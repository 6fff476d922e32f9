"""A generated history of one repository: any size, always the same for the same seed.

made = generate(world, Sizes(runs=20_000))
made.repository, made.run_count, made.attempt_count, made.job_count

Beside ordinary runs it holds what is hard to collect: a day with more runs than a search shows, a
second with several, attempts that came weeks later, a matrix of 256 jobs, carried-over jobs, runs
that were cancelled or could not start. Everything in it is over at the end of the history.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from github_standin.world.model import Job, Repository, Run, Runner, Step, Workflow, account
from github_standin.world.world import World

DAY = timedelta(days=1)

_LONGEST = timedelta(hours=6)
"""No attempt lasts longer."""

_RERUN_WITHIN = timedelta(days=30)
"""GitHub lets a run be run again for so long."""

_NAMES = ("CI", "Lint", "Nightly", "Release")
_JOBS = ("build", "test", "lint", "docs", "package", "deploy", "integration", "fuzz")
_STEPS = ("Set up job", "Run actions/checkout@v5", "Run make", "Complete job")
_LABELS = (("ubuntu-24.04",), ("ubuntu-latest",), ("windows-2022",), ("self-hosted", "linux"))
_EVENTS = ("push", "pull_request", "pull_request", "schedule", "workflow_dispatch")
_PEOPLE = tuple(account(login) for login in ("ada", "ben", "cleo", "dan", "eve"))

_OUTCOMES = ("success", "failure", "cancelled", "startup_failure", "skipped")
_WEIGHTS = (76, 14, 6, 2, 2)


@dataclass(frozen=True)
class Sizes:
    """How much there is: exactly so many *runs* and so many attempts beyond the first ones (None:
    one for twenty runs), spread over *days*.

    *busiest_day* runs fall on one day, *same_second* of them on one second; *matrices* runs have a
    matrix of 256 jobs, the others one to *most_jobs*. None: as much of it as fits.
    """

    runs: int = 20_000
    days: int = 365
    extra_attempts: int | None = None
    busiest_day: int | None = None
    same_second: int | None = None
    matrices: int = 2
    most_jobs: int = 4
    steps: int = 3


@dataclass(frozen=True)
class Generated:
    """What was made."""

    repository: Repository
    first: datetime
    last: datetime
    run_count: int
    attempt_count: int
    job_count: int


def generate(
    world: World,
    sizes: Sizes | None = None,
    *,
    full_name: str = "octo/generated",
    seed: int = 1,
    until: datetime | None = None,
) -> Generated:
    """Add the repository to *world*, with its history until *until* (None: yesterday, to the
    hour)."""
    sizes = sizes or Sizes()
    end = until or (world.now() - DAY).replace(minute=0, second=0, microsecond=0)
    with world.lock:
        return _Maker(world, sizes, full_name, random.Random(seed), end).make()  # noqa: S311


def status(world: World, made: Generated) -> dict[str, Any]:
    """What `GET /standin` answers."""
    return {
        "now": world.now().isoformat(),
        "repositories": [made.repository.full_name],
        "generated": {
            "first": made.first.isoformat(),
            "last": made.last.isoformat(),
            "runs": made.run_count,
            "attempts": made.attempt_count,
            "jobs": made.job_count,
        },
    }


class _Maker:
    def __init__(
        self, world: World, sizes: Sizes, full_name: str, chance: random.Random, end: datetime
    ) -> None:
        self.world = world
        self.sizes = sizes
        self.chance = chance
        self.end = end
        self.begin = end - sizes.days * DAY
        self.repository = world.add_repository(full_name, created_at=self.begin - DAY)
        self.workflows = [self._workflow(name) for name in _NAMES]

    def make(self) -> Generated:
        runs = [self._run(created_at) for created_at in self._moments()]
        for run in self.chance.sample(runs, min(self.sizes.matrices, len(runs))):
            self._add_matrix(run)
        extra = self.sizes.extra_attempts
        for run in self.chance.choices(runs, k=len(runs) // 20 if extra is None else extra):
            self._run_again(run)
        attempts = [attempt for run in runs for attempt in run.attempts]
        return Generated(
            self.repository,
            runs[0].created_at,
            max(attempt.ends_at or attempt.appears_at for attempt in attempts),
            len(runs),
            len(attempts),
            sum(len(attempt.jobs) for attempt in attempts),
        )

    def _workflow(self, name: str) -> Workflow:
        path = f".github/workflows/{name.lower()}.yml"
        return self.world.add_workflow(self.repository, name, path=path, created_at=self.begin)

    def _moments(self) -> list[datetime]:
        """When runs are created, oldest first."""
        sizes = self.sizes
        busiest, same = sizes.busiest_day, sizes.same_second
        busiest = min(1_500, sizes.runs // 4) if busiest is None else min(busiest, sizes.runs)
        same = min(7, busiest) if same is None else min(same, busiest)
        middle = self.begin + timedelta(days=sizes.days // 2)
        day = middle.replace(hour=0, minute=0, second=0, microsecond=0)
        crowded = day + DAY / 2
        span = int((self.end - _LONGEST - self.begin).total_seconds())
        seconds = [crowded] * same
        seconds += [self._within(day, 86_399) for _ in range(busiest - same)]
        seconds += [self._within(self.begin, span) for _ in range(sizes.runs - busiest)]
        return sorted(seconds)

    def _within(self, begin: datetime, seconds: int) -> datetime:
        return begin + timedelta(seconds=self.chance.randrange(max(1, seconds)))

    def _run(self, created_at: datetime) -> Run:
        chance = self.chance
        event = chance.choice(_EVENTS)
        [outcome] = chance.choices(_OUTCOMES, _WEIGHTS)
        fails_to_start = outcome == "startup_failure"
        jobs = [] if fails_to_start else list(self._jobs(created_at, outcome))
        return self.world.add_run(
            chance.choice(self.workflows),
            created_at,
            jobs,
            event=event,
            head_branch="main"
            if event in ("push", "schedule")
            else f"topic-{chance.randrange(50)}",
            actor=chance.choice(_PEOPLE),
            ended_at=created_at + timedelta(seconds=1) if fails_to_start else None,
            conclusion=outcome if fails_to_start else None,
        )

    def _jobs(self, created_at: datetime, outcome: str) -> Iterator[Job]:
        """One to so many jobs, of which the last one decides; a job that fails ends the run."""
        count = self.chance.randint(1, self.sizes.most_jobs)
        for number in range(count):
            conclusion = outcome if number == count - 1 or outcome == "skipped" else "success"
            yield self._job(f"{_JOBS[number % 8]}{number // 8 or ''}", created_at, conclusion)

    def _job(self, name: str, created_at: datetime, conclusion: str) -> Job:
        if conclusion == "skipped":
            return Job(0, name, created_at, created_at, created_at, conclusion)
        chance = self.chance
        started_at = created_at + timedelta(seconds=chance.randrange(1, 120))
        seconds = chance.randrange(10, 3_600)
        runner = chance.randrange(1, 400)
        return Job(
            0,
            name,
            created_at,
            started_at,
            started_at + timedelta(seconds=seconds),
            conclusion,
            chance.choice(_LABELS),
            Runner(runner, f"GitHub Actions {runner}"),
            self._steps(started_at, seconds, conclusion),
        )

    def _steps(self, started_at: datetime, seconds: int, conclusion: str) -> tuple[Step, ...]:
        count = self.sizes.steps
        if count == 0:
            return ()
        times = [started_at + timedelta(seconds=seconds * of // count) for of in range(count + 1)]
        return tuple(
            Step(
                number + 1,
                _STEPS[number % len(_STEPS)],
                conclusion if number == count - 1 else "success",
                times[number],
                times[number + 1],
            )
            for number in range(count)
        )

    def _add_matrix(self, run: Run) -> None:
        jobs = [self._job(f"matrix ({number})", run.created_at, "success") for number in range(256)]
        self.world.add_jobs(run, jobs)
        # A run that could not start has started after all.
        run.attempts[0].ended_at = run.attempts[0].conclusion = None

    def _run_again(self, run: Run) -> None:
        """Run it again: soon, or weeks later; what failed only, or all of it."""
        before = run.attempts[-1]
        ended_at = before.ends_at or before.appears_at
        latest = min(run.created_at + _RERUN_WITHIN, self.end - _LONGEST)
        within = max(1, int((latest - ended_at).total_seconds()))
        if self.chance.random() < 0.7:
            within = min(within, 7_200)
        started_at = self._within(ended_at + timedelta(seconds=1), within)
        red = [job.name for job in before.jobs if job.conclusion not in ("success", "skipped")]
        names = red or [job.name for job in before.jobs]
        outcome = self.chance.choice(("success", "success", "failure"))
        jobs = [self._job(name, started_at, outcome) for name in names]
        jobs = jobs or [self._job("build", started_at, outcome)]
        self.world.add_attempt(run, started_at, jobs)
