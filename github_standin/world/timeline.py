"""What happens in a world and is told to webhooks, and when: no payloads yet.

Runs: `requested` (the first attempt only), `in_progress` and `completed` of each attempt. Jobs:
`queued`, `in_progress`, `completed`; a job that waits for an approval is `waiting` first, and
`queued` when it starts, which is when its approval shows. Jobs that are carried over, and whatever
belongs to an attempt that cannot be had, tell nothing. Repositories: what `World.changes` lists.
The App's installations and authorizations: what `People.changes` lists.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from github_standin.world.model import NO_RUNNER, Attempt, Change, Job, JobState, Run, job_state
from github_standin.world.people import AppChange
from github_standin.world.world import World

_RUN_ORDER = {"requested": 0, "in_progress": 3, "completed": 5}
_JOB_ORDER = {"waiting": 1, "queued": 2, "in_progress": 3, "completed": 4}


@dataclass(frozen=True)
class RunEvent:
    """A `workflow_run` event."""

    moment: datetime
    action: str
    run: Run
    attempt: Attempt


@dataclass(frozen=True)
class JobEvent:
    """A `workflow_job` event, with the state that its payload shows."""

    moment: datetime
    action: str
    run: Run
    attempt: Attempt
    job: Job
    state: JobState


@dataclass(frozen=True)
class RepositoryEvent:
    """A `repository` event."""

    moment: datetime
    action: str
    change: Change


@dataclass(frozen=True)
class AppEvent:
    """An event that concerns the App itself, and no one repository."""

    moment: datetime
    action: str
    change: AppChange


Event = RunEvent | JobEvent | RepositoryEvent | AppEvent


def events_between(
    world: World, after: datetime, until: datetime, repository_id: int | None = None
) -> list[Event]:
    """All that happens later than *after* and not later than *until*, in the order in which it
    happens; with *repository_id* only what happens in that repository.

    What happens at the same moment has an order too, so a window that is cut in two gives the same
    list as the whole. Both bounds may lie in the future.
    """
    found: list[Event] = [
        RepositoryEvent(change.moment, change.action, change)
        for change in world.changes
        if change.repository_id in world.repositories
        and repository_id in (None, change.repository_id)
    ]
    if repository_id is None:
        found += [AppEvent(of.moment, of.action, of) for of in world.people.changes]
    for run in world.runs.values():
        if repository_id in (None, run.repository_id) and run.attempts[0].appears_at <= until:
            for attempt in run.attempts:
                # Most attempts are long over: only what has a time in the window is looked at.
                if not attempt.is_missing and _is_touched(attempt, after, until):
                    found += _of_attempt(run, attempt)
    return sorted((of for of in found if after < of.moment <= until), key=_order)


def _is_touched(attempt: Attempt, after: datetime, until: datetime) -> bool:
    own = attempt.appears_at, attempt.ended_at
    if any(moment is not None and after < moment <= until for moment in own):
        return True
    for job in attempt.jobs:
        if after < job.created_at <= until:
            return True
        if job.started_at is not None and after < job.started_at <= until:
            return True
        if job.completed_at is not None and after < job.completed_at <= until:
            return True
    return False


def _of_attempt(run: Run, attempt: Attempt) -> Iterator[Event]:
    if attempt.number == 1:
        yield RunEvent(attempt.appears_at, "requested", run, attempt)
    begins_at, ends_at = _begins_at(attempt), attempt.ends_at
    if begins_at is not None and (ends_at is None or begins_at < ends_at):
        yield RunEvent(begins_at, "in_progress", run, attempt)
    if ends_at is not None:
        moment = max(ends_at, attempt.appears_at)
        yield RunEvent(moment, "completed", run, attempt)
    for job in attempt.jobs:
        if not _is_carried_over(job):
            yield from _of_job(run, attempt, job)


def _begins_at(attempt: Attempt) -> datetime | None:
    """When the attempt is first seen in progress, as `attempt_state` has it."""
    begins = [
        max(begins_at, job.created_at, attempt.appears_at)
        for job in attempt.jobs
        if not job.is_carried_over
        and (begins_at := min(filter(None, (job.started_at, job.ends_at)), default=None))
    ]
    return min(begins, default=None)


def _of_job(run: Run, attempt: Attempt, job: Job) -> Iterator[JobEvent]:
    appears_at = max(job.created_at, attempt.appears_at)
    ends_at = None if job.ends_at is None else max(job.ends_at, appears_at)
    is_executed = job.started_at is not None and _has_runner(job)
    waiting = JobState("queued", None, job.created_at, None, None)
    if job.waiting_status == "waiting":
        waiting = JobState("waiting", None, job.created_at, None, None)
        yield JobEvent(appears_at, "waiting", run, attempt, job, waiting)
    elif is_executed or (job.conclusion != "skipped" and (not ends_at or appears_at < ends_at)):
        yield JobEvent(appears_at, "queued", run, attempt, job, waiting)
    if job.started_at is not None and is_executed:
        starts_at = max(job.started_at, appears_at)
        if job.waiting_status == "waiting":
            yield JobEvent(starts_at, "queued", run, attempt, job, waiting)
        running = JobState("in_progress", None, job.started_at, None, job.runner)
        yield JobEvent(starts_at, "in_progress", run, attempt, job, running)
    if ends_at is not None:
        state = job_state(job, ends_at)
        yield JobEvent(ends_at, "completed", run, attempt, job, state)


def _is_carried_over(job: Job) -> bool:
    return job.is_carried_over or job.runner == NO_RUNNER


def _has_runner(job: Job) -> bool:
    return job.runner is not None and bool(job.runner.id or job.runner.name)


def _order(event: Event) -> tuple[datetime, int, int, int, int]:
    if isinstance(event, RepositoryEvent):
        return event.moment, -1, event.change.number, 0, 0
    if isinstance(event, AppEvent):
        return event.moment, -2, event.change.number, 0, 0
    run_id, number = event.run.id, event.attempt.number
    if isinstance(event, RunEvent):
        return event.moment, _RUN_ORDER[event.action], run_id, number, 0
    rank = _JOB_ORDER[event.action]
    return event.moment, rank, run_id, number, event.job.id
