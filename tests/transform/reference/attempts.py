"""Attempts of runs: when they ended, how long they took, and what their jobs did meanwhile."""

from collections.abc import Iterable
from datetime import datetime

from tests.transform.reference.collection_health import job_counts
from tests.transform.reference.raw import Row
from tests.transform.reference.repository_history import History
from tests.transform.reference.rows import total
from tests.transform.reference.times import (
    EARLIEST,
    LONGEST,
    Span,
    covered_seconds,
    seconds,
    seconds_alone,
)

DECISIVE = ("success", "failure", "timed_out", "startup_failure")
FAILED = ("failure", "timed_out")


def measured(attempt: Row, jobs: list[Row], run_created_at: datetime | None, then: History) -> Row:
    """The attempt with what follows from the jobs that it lists and from its run's creation."""
    executed = [job for job in jobs if job["is_executed"]]
    is_completed = attempt["status"] == "completed"
    ended_at = _end(attempt, executed) if is_completed else None
    started_at = attempt["run_started_at"]
    starts = [job["started_at"] for job in executed if job["started_at"]]
    updated_at = attempt["updated_at"] if is_completed else None
    duration = seconds(started_at, ended_at) if executed else None
    return {
        **attempt,
        "run_created_at": run_created_at,
        "is_completed": is_completed,
        "is_decisive": is_completed and attempt["conclusion"] in DECISIVE,
        "has_executed": bool(executed),
        "ended_at": ended_at,
        "duration_seconds": duration,
        "api_duration_seconds": seconds(started_at, updated_at),
        "queue_seconds": seconds(started_at, min(starts, default=None)),
        "jobs_listed": len(jobs),
        "jobs_executed": len(executed),
        "health_group": _health_group(attempt, run_created_at, then),
        **_time_to_red({**attempt, "ended_at": ended_at}, executed if is_completed else []),
        **_occupation(executed if is_completed else [], duration),
        **job_counts(jobs),
    }


def held_up(attempt: Row, jobs: Iterable[Row]) -> list[Row]:
    """How each executed job of a completed attempt held it up: `{job_id, …}`."""
    executed = [job for job in jobs if job["is_executed"]] if attempt["is_completed"] else []
    ran = [job for job in executed if job["duration_seconds"] is not None]
    alone = seconds_alone([_span(job) for job in ran])
    exclusive = {job["job_id"]: length for job, length in zip(ran, alone, strict=True)}
    return [
        {
            "job_id": job["job_id"],
            "is_last": attempt["ended_at"] is not None
            and _counted_end(job, attempt) == attempt["ended_at"],
            "exclusive_seconds": exclusive.get(job["job_id"]),
            "saved_if_gone_seconds": _saved(attempt, job, executed),
        }
        for job in executed
    ]


def _end(attempt: Row, executed: list[Row]) -> datetime | None:
    """When a completed attempt ended: without jobs with its start, and not while one has no end."""
    started_at: datetime | None = attempt["run_started_at"]
    if not executed:
        return started_at
    if any(job["completed_at"] is None for job in executed):
        return None
    return max(_counted_ends(executed, attempt), default=None)


def _counted_ends(executed: Iterable[Row], attempt: Row) -> list[datetime]:
    return [end for job in executed if (end := _counted_end(job, attempt))]


def _counted_end(job: Row, attempt: Row) -> datetime | None:
    """A job's end; None if its times are impossible and the end can be blamed."""
    end: datetime | None = job["completed_at"]
    if end is None or not job["is_impossible_duration"]:
        return end
    started_at = attempt["run_started_at"]
    is_late = started_at is not None and end - started_at > LONGEST
    return None if is_late or end < EARLIEST else end


def _time_to_red(attempt: Row, executed: list[Row]) -> Row:
    is_red = attempt["conclusion"] in FAILED
    failed = [job for job in executed if is_red and job["is_ended"] and job["conclusion"] in FAILED]
    red_at = min(_counted_ends(failed, attempt), default=None)
    return {
        "time_to_red_seconds": seconds(attempt["run_started_at"], red_at),
        "red_overrun_seconds": seconds(red_at, attempt["ended_at"]),
    }


def _occupation(executed: list[Row], duration: int | None) -> Row:
    """Seconds of its jobs, together and as a union; null where no job has a duration."""
    ran = [job for job in executed if job["duration_seconds"] is not None]
    busy = total(ran, "duration_seconds")
    covered = covered_seconds(map(_span, ran)) if ran else None
    return {
        "busy_seconds": busy,
        "covered_seconds": covered,
        "parallelism": busy / covered if covered else None,
        "idle_seconds": None if duration is None or covered is None else duration - covered,
    }


def _saved(attempt: Row, job: Row, executed: list[Row]) -> int | None:
    ended_at = attempt["ended_at"]
    if ended_at is None:
        return None
    if _counted_end(job, attempt) != ended_at:
        return 0
    others = _counted_ends([other for other in executed if other is not job], attempt)
    return seconds(max(others), ended_at) if others else attempt["duration_seconds"]


def _span(job: Row) -> Span:
    return job["started_at"], job["completed_at"]


def _health_group(attempt: Row, run_created_at: datetime | None, then: History) -> str | None:
    if attempt["event"] == "merge_group":
        return "merge_queue"
    is_own = attempt["head_repository_id"] == attempt["repository_id"]
    if attempt["event"] not in ("push", "schedule", "workflow_dispatch") or not is_own:
        return None
    if run_created_at is None or attempt["head_branch"] is None:
        return None
    branch = then.default_branch(attempt["repository_id"], run_created_at)
    return "default_branch" if attempt["head_branch"] == branch else None
