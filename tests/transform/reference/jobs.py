"""Jobs: which are copies, which executed, and how long they waited and took."""

from collections.abc import Iterable
from typing import Any

from tests.transform.reference.newest_state import BEGUN
from tests.transform.reference.raw import Row
from tests.transform.reference.steps import told_by_steps
from tests.transform.reference.times import is_impossible, reading

Attempts = dict[tuple[int, int], Row]


def judged(jobs: Iterable[Row], attempts: Attempts) -> list[Row]:
    """The jobs in the order of their attempts, with what follows from each run's jobs alone."""
    first_executed: dict[Any, int] = {}
    found = []
    for job in sorted(jobs, key=lambda job: (job["run_attempt"], job["job_id"])):
        attempt = attempts.get((job["run_id"], job["run_attempt"]), {})
        times = (job["run_id"], job["name"], job["started_at"], job["completed_at"])
        is_copy = (
            job["run_attempt"] > 1
            and job["status"] == "completed"
            and job["started_at"] is not None
            and (
                _lies_before(job, attempt.get("run_started_at"))
                or first_executed.get(times, job["run_attempt"]) < job["run_attempt"]
            )
        )
        had_runner = bool(job["runner_id"] or job["runner_name"])
        is_executed = had_runner and job["status"] in BEGUN and not is_copy
        if is_executed:
            first_executed.setdefault(times, job["run_attempt"])
        found.append(_measured({**job, "is_carried_over": is_copy, "is_executed": is_executed}))
    return found


def label_set(labels: list[str] | None) -> tuple[str, ...]:
    """Lower case, sorted, each once; empty where none is known."""
    return tuple(sorted({label.lower() for label in labels or []}))


def _lies_before(job: Row, run_started_at: Any) -> bool:
    times = (job["started_at"], job["completed_at"])
    return None not in (*times, run_started_at) and max(times) < run_started_at


def _measured(job: Row) -> Row:
    waited = (job["created_at"], job["started_at"]) if job["is_executed"] else (None, None)
    is_ended = job["is_executed"] and job["status"] == "completed"
    ran = (job["started_at"], job["completed_at"]) if is_ended else (None, None)
    return {
        **job,
        **told_by_steps(job),
        "is_ended": is_ended,
        "queue_seconds": reading(*waited),
        "is_impossible_queue": is_impossible(*waited),
        "duration_seconds": reading(*ran),
        "is_impossible_duration": is_impossible(*ran),
    }
