"""How things were seen, and what polls cost."""

from collections import Counter
from collections.abc import Container, Iterable

from tests.transform.reference.raw import Row
from tests.transform.reference.rows import grouped, total
from tests.transform.reference.times import day_of

KINDS = ("webhook_only", "poll_only", "both", "corrected")


def job_counts(jobs: Iterable[Row]) -> Row:
    """How the jobs of an attempt were seen, copies left out."""
    counts = _kinds([job for job in jobs if not job["is_carried_over"]])
    return {f"{kind}_job_count": counts[kind] for kind in KINDS}


def collection_health_by_day(
    attempts: Iterable[Row], polls: Iterable[Row], known: Container[int]
) -> list[Row]:
    """By known repository and day: of the runs created on it, and of the polls begun on it."""
    created = grouped(
        (
            {**row, "day": day_of(row["run_created_at"])}
            for row in attempts
            if row["run_created_at"]
        ),
        "repository_id",
        "day",
    )
    asked = grouped(
        ({**row, "day": day_of(row["started_at"])} for row in polls), "repository_id", "day"
    )
    return [
        {
            "repository_id": key[0],
            "day": key[1],
            **_attempts(created.get(key, [])),
            **_polls(asked.get(key, [])),
        }
        for key in {*created, *asked}
        if key[0] in known
    ]


def _attempts(attempts: list[Row]) -> Row:
    counts = _kinds(attempts)
    return {
        "attempt_count": len(attempts),
        **{f"{kind}_attempt_count": counts[kind] for kind in KINDS},
        **{name: total(attempts, name) or 0 for name in job_counts([])},
    }


def _polls(polls: list[Row]) -> Row:
    return {
        "poll_count": len({poll["poll_id"] for poll in polls}),
        "failed_poll_count": len({poll["poll_id"] for poll in polls if poll["error"] is not None}),
        "request_count": total(polls, "request_count") or 0,
    }


def _kinds(seen: list[Row]) -> Counter[str]:
    counts: Counter[str] = Counter(row["was_corrected"] * "corrected" for row in seen)
    for row in seen:
        if row["was_seen_by_webhook"] and row["was_seen_by_poll"]:
            counts["both"] += 1
        else:
            counts["webhook_only" if row["was_seen_by_webhook"] else "poll_only"] += 1
    return counts
