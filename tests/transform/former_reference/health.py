"""How things were seen, read a second time from docs/metrics.md (see __init__.py)."""

from collections import Counter, defaultdict
from datetime import UTC
from typing import Any

from tests.transform.raw_rows import Row

KINDS = ("webhook_only", "poll_only", "both", "corrected")


def count_jobs(jobs: list[Row]) -> Row:
    """How the jobs of an attempt were seen, copies left out."""
    counts = _count([job for job in jobs if not job["is_carried_over"]])
    return {f"{kind}_job_count": counts[kind] for kind in KINDS}


def health_by_day(true_marts: dict[str, dict[Any, Row]], polls: list[Row]) -> dict[Any, Row]:
    """`{(repository_id, day): row}` from true attempts and runs, and from the polls as they are."""
    attempts, asked = defaultdict(list), defaultdict(list)
    for (run_id, _), attempt in true_marts["workflow_run_attempts"].items():
        if run := true_marts["workflow_runs"].get(run_id):
            attempts[run["repository_id"], run["day"]].append(attempt)
    for poll in polls:
        asked[poll["repository_id"], poll["started_at"].astimezone(UTC).date()].append(poll)
    return {
        key: {**_attempts(attempts[key]), **_polls(asked[key])}
        for key in {*attempts, *asked}  # before either is asked for what it lacks
    }


def _attempts(attempts: list[Row]) -> Row:
    counts = _count(attempts)
    jobs = [f"{kind}_job_count" for kind in KINDS]
    return {
        "attempt_count": len(attempts),
        **{f"{kind}_attempt_count": counts[kind] for kind in KINDS},
        **{name: sum(attempt[name] for attempt in attempts) for name in jobs},
    }


def _polls(polls: list[Row]) -> Row:
    return {
        "poll_count": len({poll["poll_id"] for poll in polls}),
        "failed_poll_count": len({poll["poll_id"] for poll in polls if poll["error"] is not None}),
        "request_count": sum(poll["request_count"] for poll in polls),
    }


def _count(seen: list[Row]) -> Counter[str]:
    counts: Counter[str] = Counter(row["was_corrected"] * "corrected" for row in seen)
    for row in seen:
        if row["was_seen_by_webhook"] and row["was_seen_by_poll"]:
            counts["both"] += 1
        else:
            counts["webhook_only" if row["was_seen_by_webhook"] else "poll_only"] += 1
    return counts
