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
    return {
        run["run_id"]
        for key, alike in grouped(runs, *kind).items()
        for run in alike
        if None not in key
        and run["is_completed"]
        and run["conclusion"] == "cancelled"
        and any(_came_during(other, run) for other in alike)
    }


def _is_flaky(attempts: list[Row]) -> bool:
    done = [attempt for attempt in attempts if attempt["is_completed"]]
    failed = [row["run_attempt"] for row in done if row["conclusion"] in FAILED]
    passed = [row["run_attempt"] for row in done if row["conclusion"] == "success"]
    return bool(failed and passed) and min(failed) < max(passed)


def _came_during(newer: Row, run: Row) -> bool:
    """Whether it is newer than the run and was created while the run's newest attempt went on."""
    began, ended = run["run_started_at"], run["ended_at"]
    if began is None or ended is None:
        return False
    return _age(newer) > _age(run) and bool(began < newer["created_at"] < ended)


def _age(run: Row) -> tuple[Any, ...]:
    return run["created_at"], run["run_id"]
