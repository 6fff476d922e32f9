"""The newest state, read a second time from docs/metrics.md (see __init__.py)."""

from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

from tests.transform.raw_rows import Row

RANKS = {"completed": 5, "in_progress": 4, "queued": 3, "waiting": 2, "pending": 2, "requested": 1}
BEGUN = ("in_progress", "completed")
NEWEST_ALONE = ("status", "conclusion", "completed_at", "updated_at", "steps", "content_hash")
NEVER = datetime.min.replace(tzinfo=UTC)


def newest_attempts(observations: list[Row]) -> list[Row]:
    """Of each (run_id, run_attempt) one row."""
    found = []
    for seen in _by(observations, "run_id", "run_attempt"):
        seen.sort(key=_attempt_order, reverse=True)
        found.append({**_merged(seen), **_how(seen)})
    return found


def newest_jobs(observations: list[Row]) -> list[Row]:
    """Of each job one row, which says also whether it was seen waiting."""
    found = []
    for seen in _by(observations, "job_id"):
        seen.sort(key=_job_order, reverse=True)
        job = _merged(seen)
        if job["status"] in BEGUN:
            starts = [row["started_at"] for row in seen if row["status"] in BEGUN]
            job["started_at"] = next((start for start in starts if start), None)
        job["run_attempt"] = job["run_attempt"] or 1
        job["was_gated"] = any(row["status"] == "waiting" for row in seen)
        found.append({**job, **_how(seen)})
    return found


def _attempt_order(row: Row) -> tuple[Any, ...]:
    is_final = row["status"] == "completed" and row["conclusion"] != "action_required"
    updated_at = row["updated_at"] or NEVER
    return is_final, updated_at, RANKS.get(row["status"], 0), row["content_hash"]


def _job_order(row: Row) -> tuple[Any, ...]:
    completed_at = row["completed_at"] or NEVER
    return RANKS.get(row["status"], 0), completed_at, row["content_hash"]


def _merged(seen: list[Row]) -> Row:
    newest = {name: _known(value) for name, value in seen[0].items()}
    for name in newest:
        if name in NEWEST_ALONE:
            continue
        for row in seen:
            if row[name] not in (None, "", []):
                newest[name] = row[name]
                break
            # An empty list is less than others, and more than nothing.
            if newest[name] is None:
                newest[name] = _known(row[name])
    return newest


def _how(seen: list[Row]) -> Row:
    """How it was seen; the newest observation is the first."""
    told = [row for row in seen if row["delivery_id"] is not None]
    states = [(_known(row["status"]), _known(row["conclusion"])) for row in (seen[0], *told[:1])]
    return {
        "was_seen_by_webhook": bool(told),
        "was_seen_by_poll": len(told) < len(seen),
        "was_corrected": len(set(states)) > 1,
    }


def _known(value: Any) -> Any:
    return None if value == "" else value


def _by(observations: list[Row], *names: str) -> list[list[Row]]:
    groups = defaultdict(list)
    for row in observations:
        groups[tuple(row[name] for name in names)].append(row)
    return list(groups.values())
