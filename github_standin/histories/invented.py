"""An invented project, `invented/storefront`: what the recordings have none of, in one repository.

Nothing of it ever happened. A shop, its app and its tills are built by five workflows; a moment, as
a rule the first start of the demonstration, is the present of the story:

- *Browser tests* are red on `main` since four commits ago, in one step of one job;
- *CI* was red for three commits two weeks earlier, and got slower by a commit three weeks ago; its
  job `phones / payments` is flaky, since four weeks more than before, on two machines of one's own,
  for which people queue twice a day;
- *Nightly* got faster three weeks ago, and sometimes never ends;
- *Deploy* waits for somebody's approval;
- *Tills* waits for a machine that has not been seen for three days;
- a pull request of `standin-developer`'s failed in what is red on `main` and on another branch, in
  what is flaky, and in something that is red nowhere else.

Around it is an ordinary history of eight weeks and a half: pull requests whose runs are superseded
or cancelled, re-runs, runners of four kinds. It goes on for four weeks after its present.
"""

import hashlib
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
from typing import Any, NamedTuple

from github_standin import INVENTED
from github_standin.world.model import Account, Job, Repository, Run, Runner, Step, account
from github_standin.world.world import World

DAYS_BEFORE, DAYS_AFTER = 60, 28

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)

# Where in the history of main something happens: -1 is the newest commit before the present.
_RED_FROM = -4
_BROKEN = range(-21, -18)
_SLOWER_FROM = -32
_CALM = {*range(-8, 0), _BROKEN.start - 1, _BROKEN.stop, *range(_SLOWER_FROM - 4, _SLOWER_FROM + 4)}
"""Nothing flakes here: one workflow is red now and no other, what broke was mended, and who looks
for the commit that made it slower finds that one."""
_TITLES = {
    _RED_FROM: "Load the checkout form lazily",
    _BROKEN.start: "Upgrade the payments client to 4.0",
    _BROKEN.stop: "Go back to the payments client 3.9",
    _SLOWER_FROM: "Minify the app with whole-program analysis",
}
_FASTER_NIGHTS = 21
_TILL_LOST = 3 * DAY

_VERBS = ("Simplify", "Test", "Translate", "Cache", "Rework", "Log", "Speed up", "Document")
_THINGS = ("the basket", "stock levels", "search", "returns", "gift cards", "the receipt")
_THINGS += ("delivery dates", "the wish list", "size charts", "the price filter", "reviews")
_AUTHORS = ("standin-maintainer", "standin-developer", "ada", "ben", "cleo")
# Pull requests come in rushes, and are merged in quieter hours.
_RUSH_HOURS = (9, 9, 9, 9, 14, 14, 14, 15)
_MERGE_HOURS = (7, 11, 12, 12, 13, 17, 18, 20)


class _Kind(NamedTuple):
    """A job of a workflow: how long it takes as a rule; its steps, by their shares of that time."""

    name: str
    labels: tuple[str, ...]
    minutes: float
    steps: tuple[tuple[str, float], ...]


_LINUX, _LARGE = ("ubuntu-24.04",), ("ubuntu-24.04-16-cores",)
_WINDOWS, _MACOS = ("windows-2022",), ("macos-14",)
_PHONES, _TILL = ("self-hosted", "linux", "phones"), ("self-hosted", "linux", "till")
_RACKS = ("rack-1", "rack-2")
_LONGEST_WAITS: dict[tuple[str, ...], int] = {
    _LINUX: 20,
    _LARGE: 70,
    _WINDOWS: 45,
    _MACOS: 240,
    _PHONES: 9,
}
"""In seconds, of who finds a machine free."""

_INSTALL = ("Install packages", 0.3)
_UNIT = (_INSTALL, ("Run unit tests", 0.65))
_BROWSER = (_INSTALL, ("Install browsers", 0.15), ("Run browser tests", 0.5))

LINT = _Kind("lint", _LINUX, 1.6, (_INSTALL, ("Run linters", 0.6)))
BUILD = _Kind("build", _LARGE, 4, (_INSTALL, ("Build the shop", 0.6)))
SLOW_BUILD = BUILD._replace(minutes=12)
UNITS = (
    *(_Kind(f"unit (linux, {number})", _LINUX, 5, _UNIT) for number in range(1, 5)),
    _Kind("unit (windows)", _WINDOWS, 9, _UNIT),
    _Kind("unit (macos)", _MACOS, 7, _UNIT),
)
CATALOGUE = _Kind("phones / catalogue", _PHONES, 14, (("Run catalogue tests", 0.9),))
PAYMENTS = _Kind(
    "phones / payments", _PHONES, 16, (("Charge the phones", 0.1), ("Run payments tests", 0.8))
)
PUBLISH = _Kind("publish", _LINUX, 1.5, (("Upload the bundle", 0.8),))
BROWSERS = (
    _Kind("checkout (chromium)", _LINUX, 8, _BROWSER),
    _Kind("checkout (firefox)", _LINUX, 9, _BROWSER),
    _Kind("checkout (webkit)", _MACOS, 11, _BROWSER),
    _Kind("search (chromium)", _LINUX, 6, _BROWSER),
)
BENCHMARK = _Kind("benchmark", _LARGE, 26, (("Build the shop", 0.2), ("Run benchmarks", 0.7)))
SOAK = _Kind("soak", _LINUX, 55, (("Start the shop", 0.1), ("Order all night", 0.85)))
STAGING = _Kind("deploy (staging)", _LINUX, 4, (("Deploy", 0.6), ("Smoke test", 0.3)))
PRODUCTION = _Kind("deploy (production)", _LINUX, 6, (("Deploy", 0.7), ("Smoke test", 0.2)))
TILL = _Kind("boot and sell", _TILL, 9, (("Flash", 0.4), ("Sell an apple", 0.5)))

_FLAKES = {PAYMENTS: 4, UNITS[-1]: 29, BROWSERS[2]: 11}
"""Of how many of its runs each fails one for no reason; before, of ten times as many."""
_FLAKIER_FOR = 28 * DAY


@dataclass(frozen=True)
class _Commit:
    """What runs are of; *position* is its place in the history of main, where it has one."""

    moment: datetime
    title: str
    author: Account
    branch: str = "main"
    position: int = 0
    pull_request: int | None = None

    @property
    def event(self) -> str:
        return "push" if self.pull_request is None else "pull_request"

    @property
    def sha(self) -> str:
        text = f"{self.branch} {self.moment}"
        return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def invent(world: World, present: datetime) -> Repository:
    """Add the invented repository to *world*, with all that happens around its *present*: the same
    for the same one."""
    with world.lock:
        return _Project(world, present).happen()


class _Project:
    def __init__(self, world: World, present: datetime) -> None:
        self.world = world
        self.present = present.replace(microsecond=0)
        self.midnight = present.replace(hour=0, minute=0, second=0, microsecond=0)
        self.chance = Random(1)  # noqa: S311 a story, no secret
        self.repository = world.add_repository(
            INVENTED,
            created_at=self.midnight - (DAYS_BEFORE + 1) * DAY,
            visibility="private",
            description="Invented: no such project exists, and nothing of its history happened.",
        )
        self.workflows = {
            name: world.add_workflow(
                self.repository,
                name,
                path=f".github/workflows/{name.lower().replace(' ', '-')}.yml",
                created_at=self.repository.created_at,
            )
            for name in ("CI", "Browser tests", "Nightly", "Deploy", "Tills")
        }
        self.free_at = [self.repository.created_at] * len(_RACKS)
        self.counts: Counter[_Kind] = Counter()
        self.pull_requests = 400
        self.pushes = self._pushes()
        since = {commit.position: commit.moment for commit in self.pushes}
        self.red_since, self.slower_since = since[_RED_FROM], since[_SLOWER_FROM]

    def happen(self) -> Repository:
        """Let everything happen, in the order in which it does: machines serve who came first."""
        happenings: list[tuple[datetime, Callable[..., None], Any]] = [
            (commit.moment, self._push, commit) for commit in self.pushes
        ]
        for number in range(-DAYS_BEFORE, DAYS_AFTER):
            day = self.midnight + number * DAY
            happenings += [
                (day + timedelta(hours=2, minutes=12), self._night, number),
                # Of the last hour, so that who begins to collect sees it wait at once.
                (self.present + number * DAY - 25 * MINUTE, self._till, number),
            ]
            if day.weekday() < 5:
                proposed = self._moments(day, (1, 2, 3, 4), _RUSH_HOURS)
                happenings += [(moment, self._pull_request, None) for moment in proposed]
            if day.weekday() in (0, 2, 4):
                happenings.append((day + timedelta(hours=15, minutes=31), self._deploy, number))
        happenings.append((self.present - timedelta(hours=5), self._her_pull_request, None))
        happenings.append((self.present - timedelta(hours=3), self._my_pull_request, None))
        for moment, happening, what in sorted(happenings, key=lambda of: of[0]):
            happening(moment, what)
        return self.repository

    def _moments(
        self, day: datetime, counts: Sequence[int], hours: Sequence[int]
    ) -> list[datetime]:
        return [
            day + timedelta(hours=self.chance.choice(hours), seconds=self.chance.randrange(1_800))
            for _ in range(self.chance.choice(counts))
        ]

    def _pushes(self) -> list[_Commit]:
        """The commits of main, oldest first; of the newest one the runs go on at present."""
        moments = [self.present - 6 * MINUTE]
        for number in range(-DAYS_BEFORE, DAYS_AFTER):
            day = self.midnight + number * DAY
            of_day = self._moments(day, (1, 2, 2) if day.weekday() < 5 else (1,), _MERGE_HOURS)
            moments += [of for of in of_day if not timedelta() <= self.present - of < 40 * MINUTE]
        moments.sort()
        newest = bisect_left(moments, self.present)
        return [
            _Commit(
                moment,
                _TITLES.get(position, self._title()),
                account(self.chance.choice(_AUTHORS)),
                position=position,
            )
            for position, moment in enumerate(moments, -newest)
        ]

    def _title(self) -> str:
        return f"{self.chance.choice(_VERBS)} {self.chance.choice(_THINGS)}"

    # the workflows

    def _push(self, _: datetime, commit: _Commit) -> None:
        if commit.position in _BROKEN:
            self._ci(commit, [PAYMENTS])
        elif commit.position in _CALM:
            self._ci(commit)
        else:
            self._flake(self._ci, commit, (PAYMENTS, UNITS[-1]))
        self._look(commit)

    def _pull_request(self, moment: datetime, _: None) -> None:
        """One commit or two; the second one supersedes what still runs of the first."""
        commit = self._proposed(moment, self._title(), account(self.chance.choice(_AUTHORS)))
        outcome = self.chance.random()
        if outcome < 0.15:
            fixed = replace(commit, moment=moment + self.chance.randrange(4, 9) * MINUTE)
            _cancel(self._ci(commit), fixed.moment + timedelta(seconds=9))
            commit = fixed
        elif outcome < 0.22:
            _cancel(self._ci(commit), moment + self.chance.randrange(3, 11) * MINUTE)
            return
        if outcome > 0.85:
            self._ci(commit, [self.chance.choice((LINT, *UNITS))])
        else:
            self._flake(self._ci, commit, (PAYMENTS, UNITS[-1]))
        if self.chance.random() < 0.4:
            self._look(commit)

    def _her_pull_request(self, moment: datetime, _: None) -> None:
        self._look(self._proposed(moment, "Count the reviews", account("cleo")))

    def _my_pull_request(self, moment: datetime, _: None) -> None:
        commit = self._proposed(moment, "Remember the basket", account("standin-developer"))
        self._ci(commit, [PAYMENTS])
        self._browser_tests(commit, [BROWSERS[0], BROWSERS[3]])

    def _look(self, commit: _Commit) -> None:
        """Browser tests, as red as they are on main."""
        if commit.moment >= self.red_since:
            self._browser_tests(commit, [BROWSERS[0]])
        elif commit.position in _CALM:
            self._browser_tests(commit)
        else:
            self._flake(self._browser_tests, commit, BROWSERS[2:3])

    def _flake(
        self, workflow: Callable[..., Run], commit: _Commit, kinds: Collection[_Kind]
    ) -> None:
        """Run a workflow, whose jobs may fail for no reason; most people run it again then."""
        rarer = 1 if commit.moment > self.present - _FLAKIER_FOR else 10
        self.counts.update(kinds)
        flaky = [kind for kind in kinds if not self.counts[kind] % (_FLAKES[kind] * rarer)]
        run = workflow(commit, flaky)
        if flaky and self.chance.random() < 0.85:
            self._run_again(run, flaky, commit.author)

    def _proposed(self, moment: datetime, title: str, author: Account) -> _Commit:
        self.pull_requests += 1
        branch = f"{author.login.removeprefix('standin-')}/{title.lower().replace(' ', '-')}"
        return _Commit(moment, title, author, branch, pull_request=self.pull_requests)

    def _ci(self, commit: _Commit, failing: Collection[_Kind] = ()) -> Run:
        at = commit.moment
        is_slow = at >= self.slower_since
        build = self._job(SLOW_BUILD if is_slow else BUILD, at, failing)
        first = [self._job(kind, at, failing) for kind in (LINT, *UNITS)]
        built_at = build.completed_at or at
        phones = [self._phone(kind, built_at, failing) for kind in (CATALOGUE, PAYMENTS)]
        jobs = [build, *first, *phones]
        jobs.append(self._publish(commit, jobs))
        return self._run("CI", commit, jobs)

    def _publish(self, commit: _Commit, needed: Sequence[Job]) -> Job:
        at = max(job.completed_at or job.created_at for job in needed)
        if commit.branch == "main" and all(job.conclusion == "success" for job in needed):
            return self._job(PUBLISH, at)
        return Job(0, PUBLISH.name, at, at, at, "skipped", PUBLISH.labels)

    def _run_again(self, run: Run, failed: Collection[_Kind], by: Account) -> None:
        """Somebody runs the failed jobs again, and they pass on the same commit."""
        before = run.attempts[-1]
        ended_at = before.ends_at or run.created_at
        at = ended_at + self.chance.choice((2, 5, 9, 25, 70, 240)) * MINUTE
        racks = {PAYMENTS: _rack(self.chance.randrange(2))}
        jobs = [self._job(kind, at, runner=racks.get(kind)) for kind in failed]
        if run.name == "CI" and run.head_branch == "main":
            jobs.append(self._job(PUBLISH, max(job.completed_at or at for job in jobs)))
        self.world.add_attempt(run, at, jobs, triggering_actor=by)

    def _browser_tests(self, commit: _Commit, failing: Collection[_Kind] = ()) -> Run:
        jobs = [self._job(kind, commit.moment, failing) for kind in BROWSERS]
        return self._run("Browser tests", commit, jobs)

    def _night(self, moment: datetime, number: int) -> None:
        is_faster = number >= -_FASTER_NIGHTS
        benchmark = BENCHMARK._replace(minutes=15) if is_faster else BENCHMARK
        jobs = [self._job(benchmark, moment), self._job(SOAK, moment)]
        if number % 9 == 4:
            endless = SOAK._replace(minutes=180)
            jobs[1] = self._job(endless, moment, [endless], failure="timed_out")
        commit = _Commit(moment, "Nightly", account("ada"))
        self._run("Nightly", commit, jobs, event="schedule")

    def _deploy(self, moment: datetime, number: int) -> None:
        staging = self._job(STAGING, moment)
        waits = self.chance.randrange(15, 35) * 60
        approved = self._job(PRODUCTION, staging.completed_at or moment, waits=waits)
        commit = _Commit(moment, f"Deploy {number + 200}", account("standin-maintainer"))
        production = replace(approved, waiting_status="waiting")
        self._run("Deploy", commit, [staging, production], event="workflow_dispatch")

    def _till(self, moment: datetime, _: int) -> None:
        """GitHub gives up on a job that nobody took for a day."""
        runner = Runner(31, "till-1", 1, "Default")
        job = self._job(TILL, moment, waits=self.chance.randrange(3, 150), runner=runner)
        if moment >= self.present - _TILL_LOST:
            job = Job(0, TILL.name, moment, None, moment + DAY, "cancelled", TILL.labels)
        self._run("Tills", _Commit(moment, "Tills", account("ben")), [job], event="schedule")

    # jobs and runs

    def _job(
        self,
        kind: _Kind,
        created_at: datetime,
        failing: Collection[_Kind] = (),
        *,
        waits: float | None = None,
        runner: Runner | None = None,
        failure: str = "failure",
    ) -> Job:
        """A job, which ends in its last step where it is among those that fail."""
        conclusion = failure if kind in failing else "success"
        started_at = created_at + timedelta(seconds=self._wait(kind) if waits is None else waits)
        seconds = kind.minutes * 60 * self.chance.lognormvariate(0, 0.09)
        steps = _steps(kind, started_at, seconds, conclusion)
        return Job(
            0,
            kind.name,
            created_at,
            started_at,
            steps[-1].completed_at,
            conclusion,
            kind.labels,
            runner or self._hosted(kind),
            steps,
        )

    def _phone(self, kind: _Kind, created_at: datetime, failing: Collection[_Kind]) -> Job:
        """A job on whichever rack is free first."""
        rack = min(range(len(_RACKS)), key=self.free_at.__getitem__)
        waits = max(self.free_at[rack] - created_at, timedelta()).total_seconds()
        waits += self.chance.randrange(2, 9)
        job = self._job(kind, created_at, failing, waits=waits, runner=_rack(rack))
        self.free_at[rack] = job.completed_at or created_at
        return job

    def _wait(self, kind: _Kind) -> int:
        return self.chance.randrange(2, _LONGEST_WAITS[kind.labels])

    def _hosted(self, kind: _Kind) -> Runner:
        number = self.chance.randrange(1_000_000_000, 1_000_009_999)
        if kind.labels == _LARGE:
            return Runner(number, f"16-cores_{number % 10_000:04}", 2, "Default Larger Runners")
        return Runner(number, f"GitHub Actions {number}")

    def _run(self, workflow: str, commit: _Commit, jobs: list[Job], event: str = "") -> Run:
        number = commit.pull_request
        return self.world.add_run(
            self.workflows[workflow],
            commit.moment,
            jobs,
            event=event or commit.event,
            head_branch=commit.branch,
            head_sha=commit.sha,
            actor=commit.author,
            display_title=commit.title if number is None else f"{commit.title} (#{number})",
            pull_requests=[] if number is None else [self._named(commit, number)],
        )

    def _named(self, commit: _Commit, number: int) -> dict[str, Any]:
        """A pull request, as runs name it."""
        url = f"https://api.github.com/repos/{INVENTED}"
        of = {"id": self.repository.id, "url": url, "name": self.repository.name}
        return {
            "id": 2_000_000_000 + number,
            "number": number,
            "url": f"{url}/pulls/{number}",
            "head": {"ref": commit.branch, "sha": commit.sha, "repo": of},
            "base": {"ref": "main", "sha": commit.sha, "repo": of},
        }


def _rack(number: int) -> Runner:
    return Runner(21 + number, _RACKS[number], 1, "Default")


def _steps(kind: _Kind, started_at: datetime, seconds: float, conclusion: str) -> tuple[Step, ...]:
    """The steps of a job; the last one of its own fails with it, in the midst of it."""
    shares = [("Set up job", 0.02), ("Check out", 0.03), *kind.steps]
    if conclusion == "failure":
        shares[-1] = (shares[-1][0], shares[-1][1] * 0.7)
    shares.append(("Complete job", 0.01))
    steps, begun_at = [], started_at
    for number, (name, share) in enumerate(shares, 1):
        ended_at = begun_at + timedelta(seconds=max(1, round(seconds * share)))
        is_last = number == len(shares) - 1
        steps.append(Step(number, name, conclusion if is_last else "success", begun_at, ended_at))
        begun_at = ended_at
    return tuple(steps)


def _cancel(run: Run, at: datetime) -> None:
    """What was not over by then ends then; what had not begun never does."""
    [attempt] = run.attempts
    for job in attempt.jobs:
        if job.created_at >= at:
            job.created_at = job.started_at = job.completed_at = at
            job.conclusion, job.runner, job.steps = "skipped", None, ()
        elif job.started_at is None or job.started_at >= at:
            job.started_at = job.completed_at = at
            job.conclusion, job.runner, job.steps = "cancelled", None, ()
        elif job.completed_at is None or job.completed_at > at:
            job.completed_at, job.conclusion = at, "cancelled"
            job.steps = tuple(_cancelled(step, at) for step in job.steps)


def _cancelled(step: Step, at: datetime) -> Step:
    if step.started_at is None or step.started_at >= at:
        return replace(step, conclusion="skipped", started_at=at, completed_at=at)
    if step.completed_at is None or step.completed_at > at:
        return replace(step, conclusion="cancelled", completed_at=at)
    return step
