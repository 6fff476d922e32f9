"""Newest state: of all observations of an attempt or a job, what they say together."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from tests.transform.reference.raw import Row
from tests.transform.reference.rows import grouped, known

RANKS = {"completed": 5, "in_progress": 4, "queued": 3, "waiting": 2, "pending": 2, "requested": 1}
BEGUN = ("in_progress", "completed")
NEWEST_ALONE = {"status", "conclusion", "completed_at", "updated_at", "steps", "content_hash"}


def newest_attempts(observations: Iterable[Row]) -> list[Row]:
    """Of each (run_id, run_attempt) one row."""
    found = []
    for seen in grouped(observations, "run_id", "run_attempt").values():
        seen.sort(key=_attempt_order, reverse=True)
        attempt = {**_merged(seen), **_how(seen)}
        conclusions = [row["conclusion"] for row in seen]
        attempt["was_approved"] = (
            "action_required" in conclusions and attempt["conclusion"] != "action_required"
        )
        found.append(attempt)
    return found


def newest_jobs(observations: Iterable[Row]) -> list[Row]:
    """Of each job that its attempt still lists one row."""
    found = []
    for seen in grouped(observations, "job_id").values():
        if not any(row["gone_at"] for row in seen):
            seen.sort(key=_job_order, reverse=True)
            found.append(_job(seen))
    return found


def _attempt_order(row: Row) -> tuple[Any, ...]:
    is_final = row["status"] == "completed" and row["conclusion"] != "action_required"
    rank = RANKS.get(row["status"], 0)
    return is_final, *_time_order(row["updated_at"]), rank, row["content_hash"]


def _job_order(row: Row) -> tuple[Any, ...]:
    rank = RANKS.get(row["status"], 0)
    return rank, *_time_order(row["completed_at"]), row["content_hash"]


def _time_order(time: datetime | None) -> tuple[Any, ...]:
    """Any time, be it the zero time, is greater than none."""
    return (time is not None, time)


def _job(seen: list[Row]) -> Row:
    job = _merged(seen)
    # Until a job begins, GitHub gives its creation as its start.
    if job["status"] in BEGUN:
        starts = [row["started_at"] for row in seen if row["status"] in BEGUN]
        job["started_at"] = next((start for start in starts if start), None)
    if job["status"] != "completed":
        job["steps"] = max(seen, key=_progress)["steps"]
    attempts = [row["run_attempt"] for row in seen if row["run_attempt"]]
    job["run_attempt"] = min(attempts, default=1)
    job["was_gated"] = any(row["status"] == "waiting" for row in seen)
    return {**job, **_how(seen)}


def _progress(row: Row) -> tuple[int, str]:
    completed = [step for step in row["steps"] or [] if step["status"] == "completed"]
    return len(completed), row["content_hash"]


def _merged(seen: list[Row]) -> Row:
    """The newest state, described by the newest observation that describes it."""
    newest = known(seen[0])
    for name in newest.keys() - NEWEST_ALONE:
        told = [row[name] for row in seen if row[name] not in (None, "")]
        # An empty list is less than another, and more than nothing.
        newest[name] = next((value for value in told if value != []), told[0] if told else None)
    return newest


def _how(seen: list[Row]) -> Row:
    """How it was seen; the newest observation is the first."""
    told = [row for row in seen if row["delivery_id"] is not None]
    states = [(known(row)["status"], known(row)["conclusion"]) for row in (seen[0], *told[:1])]
    return {
        "was_seen_by_webhook": bool(told),
        "was_seen_by_poll": len(told) < len(seen),
        "was_corrected": len(set(states)) > 1,
    }
