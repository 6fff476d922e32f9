"""Runs, as their newest attempts; what newer ones made of them."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from tests.transform.reference.attempts import FAILED
from tests.transform.reference.flakiness import ambiguous_names
from tests.transform.reference.raw import Row
from tests.transform.reference.rows import grouped
from tests.transform.reference.times import day_of, seconds


def creation_times(attempts: Iterable[Row]) -> dict[int, datetime]:
    """By run: the creation of its earliest known attempt that has one."""
    found = {}
    for attempt in sorted(attempts, key=lambda row: row["run_attempt"]):
        if attempt["created_at"]:
            found.setdefault(attempt["run_id"], attempt["created_at"])
    return found


def run_of(attempts: list[Row], jobs: list[Row]) -> Row:
    """A run of which an attempt's creation is known, from all its attempts and jobs."""
    attempts = sorted(attempts, key=lambda row: row["run_attempt"])
    newest, created_at = attempts[-1], attempts[-1]["run_created_at"]
    first = attempts[0] if attempts[0]["run_attempt"] == 1 else None
    signal_at = first["ended_at"] if first and first["has_executed"] else None
    return {
        **newest,
        "created_at": created_at,
        "day": day_of(created_at),
        "first_attempt_conclusion": first["conclusion"]
        if first and first["is_completed"]
        else None,
        "time_to_signal_seconds": seconds(created_at, signal_at),
        "is_flaky": _is_flaky(attempts),
        "ambiguous_name_count": len(ambiguous_names(jobs)),
    }


def superseded(runs: Iterable[Row]) -> set[int]:
    """Ids of the runs whose newest attempt ended cancelled, for a newer run came meanwhile."""
    kind = ("repository_id", "workflow_id", "head_repository_id", "head_branch", "event")
    found = set()
    for key, alike in grouped(runs, *kind).items():
        if None not in key:
            found |= {
                run["run_id"] for run in alike if any(_supersedes(each, run) for each in alike)
            }
    return found


def _is_flaky(attempts: list[Row]) -> bool:
    done = [attempt for attempt in attempts if attempt["is_completed"]]
    failed = [row["run_attempt"] for row in done if row["conclusion"] in FAILED]
    passed = [row["run_attempt"] for row in done if row["conclusion"] == "success"]
    return bool(failed and passed) and min(failed) < max(passed)


def _supersedes(newer: Row, run: Row) -> bool:
    """Of two runs of one kind."""
    began, ended = run["run_started_at"], run["ended_at"]
    return (
        run["is_completed"]
        and run["conclusion"] == "cancelled"
        and None not in (began, ended)
        and _age(newer) > _age(run)
        and began < newer["created_at"] < ended
    )


def _age(run: Row) -> tuple[Any, ...]:
    return run["created_at"], run["run_id"]
