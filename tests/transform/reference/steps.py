"""Steps of jobs, and the one that failed."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from tests.transform.reference.raw import Row
from tests.transform.reference.rows import known
from tests.transform.reference.times import reading

FAILED = ("failure", "timed_out")


def steps_of(jobs: Iterable[Row]) -> list[Row]:
    """The numbered steps of executed jobs."""
    return [
        {
            "repository_id": job["repository_id"],
            "job_id": job["job_id"],
            "step_number": number,
            "name": step["name"],
            "status": step["status"],
            "conclusion": step["conclusion"],
            "started_at": _time(step["started_at"]),
            "completed_at": _time(step["completed_at"]),
            "duration_seconds": reading(_time(step["started_at"]), _time(step["completed_at"])),
        }
        for job in jobs
        if job["is_executed"]
        for number, step in _numbered(job).items()
    ]


def told_by_steps(job: Row) -> Row:
    """What a job's steps say of it; nothing of one that did not execute."""
    steps = _numbered(job) if job["is_executed"] else {}
    failed = [number for number, step in steps.items() if step["conclusion"] in FAILED]
    number = min(failed, default=None)
    return {
        "failed_step_number": number,
        "failed_step_name": None if number is None else steps[number]["name"],
        "steps_left_out": len(job["steps"] or []) - len(steps) if job["is_executed"] else 0,
    }


def _numbered(job: Row) -> dict[int, Row]:
    """Of two steps with one number the later; none without a number."""
    steps = [known(step) for step in job["steps"] or []]
    return {step["number"]: step for step in steps if step["number"] is not None}


def _time(text: Any) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC) if text else None
