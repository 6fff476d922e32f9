"""Use of runners, by hour."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from tests.transform.reference.jobs import label_set
from tests.transform.reference.raw import Row
from tests.transform.reference.rows import count, total
from tests.transform.reference.times import (
    SECOND,
    Span,
    clipped,
    hour_of,
    hours_of,
    most_at_once,
)


def runner_statistics_by_hour(jobs: Iterable[Row]) -> list[Row]:
    """By repository, set of labels and hour; copies left out."""
    created, opened = defaultdict(list), defaultdict(int)
    ran, waited = defaultdict(list), defaultdict(list)
    for job in jobs:
        if job["is_carried_over"]:
            continue
        pool = (job["repository_id"], label_set(job["labels"]))
        if job["created_at"]:
            created[*pool, hour_of(job["created_at"])].append(job)
        if job["is_executed"] and job["started_at"] and job["completed_at"] is None:
            opened[*pool, hour_of(job["started_at"])] += 1
        if job["duration_seconds"] is not None:
            _spread(ran, pool, (job["started_at"], job["completed_at"]))
        if job["queue_seconds"] is not None:
            _spread(waited, pool, (job["created_at"], job["started_at"]))
    return [
        {
            "repository_id": key[0],
            "labels": list(key[1]),
            "hour": key[2],
            **_counts(created.get(key, [])),
            "open_job_count": opened.get(key, 0),
            "busy_seconds": _seconds(ran[key]) if key in ran else None,
            "peak_jobs": most_at_once(ran[key]) if key in ran else None,
            "peak_queued": most_at_once(waited[key]) if key in waited else None,
        }
        for key in {*created, *opened, *ran, *waited}
    ]


def _spread(spans: dict[Any, list[Span]], pool: tuple[Any, ...], span: Span) -> None:
    """Add the part of a span to each hour that it touches."""
    for hour in hours_of(span):
        spans[*pool, hour].append(clipped(span, hour))


def _counts(created: list[Row]) -> Row:
    known = [job["queue_seconds"] for job in created if job["queue_seconds"] is not None]
    return {
        "job_count": len(created),
        "jobs_executed": count(created, "is_executed"),
        "queue_count": len(known),
        "queue_seconds": total(created, "queue_seconds"),
        "longest_queue_seconds": max(known, default=None),
        "queue_within_60_count": sum(seconds <= 60 for seconds in known),
        "impossible_queue_count": count(created, "is_impossible_queue"),
    }


def _seconds(spans: list[tuple[datetime, datetime]]) -> int:
    return sum((end - start) // SECOND for start, end in spans)
