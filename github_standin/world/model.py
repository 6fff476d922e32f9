"""What the world consists of, and the state in which each thing stands at a moment.

Every time is an aware datetime in UTC. A job, a step and an attempt carry their whole life (when
they begin, when they end and how); the functions at the end say what an observer sees of it at
*now*.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

AccountKind = Literal["User", "Organization", "Bot"]
ChangeAction = Literal[
    "renamed", "transferred", "privatized", "publicized", "archived", "unarchived", "edited"
]
WaitingStatus = Literal["queued", "waiting", "requested", "pending"]


@dataclass(frozen=True)
class Account:
    """A user or an organization."""

    id: int
    login: str
    type: AccountKind = "User"


def account(login: str, kind: AccountKind = "User") -> Account:
    """An account that nobody recorded: its id follows from its login, far above the ids that GitHub
    gives."""
    digest = hashlib.sha1(login.encode(), usedforsecurity=False).digest()
    return Account(3_000_000_000 + int.from_bytes(digest[:4], "big") % 1_000_000_000, login, kind)


@dataclass
class Repository:
    """A repository; `full_name` may change, `id` never does."""

    id: int
    full_name: str
    owner: Account
    created_at: datetime
    default_branch: str = "main"
    visibility: Literal["public", "private", "internal"] = "public"
    archived: bool = False
    disabled: bool = False
    fork: bool = False
    description: str | None = None

    @property
    def name(self) -> str:
        """The part after the slash."""
        return self.full_name.partition("/")[2]


@dataclass(frozen=True)
class Change:
    """What was done to a repository: until *moment* these attributes were as *before* has them.

    *action* is what GitHub's `repository` event calls it; *number* counts a world's changes.
    """

    number: int
    moment: datetime
    repository_id: int
    action: ChangeAction
    before: Mapping[str, Any]


@dataclass
class Workflow:
    """A workflow file of a repository."""

    id: int
    repository_id: int
    name: str
    path: str
    created_at: datetime
    updated_at: datetime
    state: str = "active"
    deleted_at: datetime | None = None


@dataclass(frozen=True)
class Runner:
    """The machine that took a job. Carried-over jobs have id 0 and empty names."""

    id: int
    name: str
    group_id: int | None = 0
    group_name: str | None = "GitHub Actions"


NO_RUNNER = Runner(0, "", 0, "")
"""What a carried-over job shows: its own attempt gave it no runner."""


@dataclass(frozen=True)
class Step:
    """One step of a job."""

    number: int
    name: str
    conclusion: str | None
    started_at: datetime | None
    completed_at: datetime | None


@dataclass
class Job:
    """One job of one attempt, with its whole life.

    `started_at` None: it never starts. `completed_at` None: it never ends. `completed_at` may lie
    before `started_at` (cancelled and skipped jobs); such a job ends, to an observer, at the later
    of both. `runner` is shown from the start on; None: no runner ever took it. `waiting_status` is
    its status before the start.
    """

    id: int
    name: str
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    conclusion: str | None = "success"
    labels: tuple[str, ...] = ("ubuntu-latest",)
    runner: Runner | None = None
    steps: tuple[Step, ...] = ()
    waiting_status: WaitingStatus = "queued"

    @property
    def ends_at(self) -> datetime | None:
        """When an observer sees it completed; None: never."""
        if self.completed_at is None:
            return None
        return max(self.created_at, self.completed_at, self.started_at or self.completed_at)

    @property
    def is_carried_over(self) -> bool:
        """It ended before it was created: listed again for an attempt that did not execute it."""
        return (
            self.started_at is not None
            and self.completed_at is not None
            and max(self.started_at, self.completed_at) < self.created_at
        )


@dataclass
class Attempt:
    """One attempt of a run.

    `created_at` is what the attempt shows (of later attempts it may differ from the run's).
    `ended_at` None: the end of its last job, or never while a job never ends or there is no job.
    `conclusion` None: derived from the jobs. `updated_at` None: its last change. `is_missing`:
    GitHub answers 404 for it and for its jobs.
    """

    number: int
    created_at: datetime
    run_started_at: datetime
    jobs: list[Job]
    triggering_actor: Account
    ended_at: datetime | None = None
    conclusion: str | None = None
    updated_at: datetime | None = None
    waiting_status: WaitingStatus = "queued"
    is_missing: bool = False

    @property
    def appears_at(self) -> datetime:
        """When it is first seen. The first attempt's start can precede its creation by seconds."""
        return self.created_at if self.number == 1 else max(self.created_at, self.run_started_at)

    @property
    def ends_at(self) -> datetime | None:
        """When an observer sees it completed; None: never."""
        if self.ended_at is not None:
            return self.ended_at
        ends = [job.ends_at for job in self.jobs]
        known = [end for end in ends if end is not None]
        return max(known) if known and len(known) == len(ends) else None


@dataclass
class Run:
    """A workflow run with all its attempts (the first is number 1). A listing orders by
    `created_at`."""

    id: int
    repository_id: int
    workflow_id: int
    name: str | None
    run_number: int
    created_at: datetime
    path: str
    event: str
    head_branch: str | None
    head_sha: str
    display_title: str
    actor: Account
    head_repository: Repository | None
    attempts: list[Attempt] = field(default_factory=list)
    check_suite_id: int = 0
    head_commit: dict[str, Any] | None = None
    pull_requests: list[dict[str, Any]] = field(default_factory=list)
    referenced_workflows: list[dict[str, Any]] = field(default_factory=list)

    def attempts_at(self, now: datetime) -> list[Attempt]:
        """Its attempts that exist at *now*, the missing ones too, oldest first."""
        return [attempt for attempt in self.attempts if attempt.appears_at <= now]


@dataclass(frozen=True)
class JobState:
    """A job as seen at a moment; `started_at` is never null, as with GitHub."""

    status: str
    conclusion: str | None
    started_at: datetime
    completed_at: datetime | None
    runner: Runner | None


@dataclass(frozen=True)
class AttemptState:
    """An attempt as seen at a moment."""

    status: str
    conclusion: str | None
    updated_at: datetime


def job_state(job: Job, now: datetime) -> JobState:
    """The state of *job* at *now*; ask only from its `created_at` on.

    Before its start `started_at` repeats `created_at`: GitHub never shows null there.
    """
    if job.ends_at is not None and job.ends_at <= now:
        started_at = job.started_at or job.created_at
        return JobState("completed", job.conclusion, started_at, job.completed_at, job.runner)
    if job.started_at is not None and job.started_at <= now:
        return JobState("in_progress", None, job.started_at, None, job.runner)
    return JobState(job.waiting_status, None, job.created_at, None, None)


def jobs_at(attempt: Attempt, now: datetime) -> list[Job]:
    """The jobs of *attempt* that exist at *now*: dependent ones appear when they are created."""
    return [job for job in attempt.jobs if job.created_at <= now]


def attempt_state(attempt: Attempt, now: datetime) -> AttemptState:
    """The state of *attempt* at *now*; ask only from its `appears_at` on."""
    ends_at = attempt.ends_at
    if ends_at is not None and ends_at <= now:
        conclusion = attempt.conclusion or conclusion_of([job.conclusion for job in attempt.jobs])
        return AttemptState("completed", conclusion, attempt.updated_at or ends_at)
    jobs = [job for job in jobs_at(attempt, now) if not job.is_carried_over]
    begun = any(job_state(job, now).status in ("in_progress", "completed") for job in jobs)
    changes = [
        moment
        for job in jobs
        for moment in (job.created_at, job.started_at, job.ends_at)
        if moment is not None and moment <= now
    ]
    updated_at = max([attempt.appears_at, *changes])
    return AttemptState("in_progress" if begun else attempt.waiting_status, None, updated_at)


def conclusion_of(conclusions: list[str | None]) -> str:
    """A run's conclusion from its jobs': the worst decides; only skipped jobs make it skipped."""
    for worst in ("failure", "timed_out", "cancelled", "action_required"):
        if worst in conclusions:
            return "failure" if worst == "timed_out" else worst
    return "success" if "success" in conclusions or not conclusions else "skipped"


def make_job(
    name: str,
    created_at: datetime,
    *,
    queue_seconds: float = 10,
    duration_seconds: float | None = 60,
    conclusion: str = "success",
    labels: tuple[str, ...] = ("ubuntu-latest",),
    runner: Runner | None = None,
    steps: tuple[Step, ...] = (),
    job_id: int = 0,
) -> Job:
    """A job by its lengths, for tests: it starts *queue_seconds* after its creation.

    *duration_seconds* None: it never ends. It gets a runner unless it is skipped. Job id 0: the
    world gives it one when the job is added.
    """
    started_at = created_at + timedelta(seconds=queue_seconds)
    ends = None if duration_seconds is None else started_at + timedelta(seconds=duration_seconds)
    if runner is None and conclusion != "skipped":
        runner = Runner(7, "GitHub Actions 7")
    return Job(job_id, name, created_at, started_at, ends, conclusion, labels, runner, steps)
