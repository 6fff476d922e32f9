"""Red intervals of default branches and merge queues."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from tests.transform.reference.raw import Row
from tests.transform.reference.rows import grouped
from tests.transform.reference.times import seconds

SERIES = ("repository_id", "workflow_id", "health_group")


def branch_health_intervals(attempts: Iterable[Row]) -> list[Row]:
    """Of each (workflow, health group): while the newest decisive attempt that had ended failed."""
    told = [
        row
        for row in attempts
        if row["is_decisive"]
        and None not in (row["health_group"], row["run_created_at"], row["ended_at"])
    ]
    return [
        interval for series in grouped(told, *SERIES).values() for interval in _intervals(series)
    ]


def _intervals(series: list[Row]) -> list[Row]:
    found: list[Row] = []
    is_red = False
    for place, (at, newest) in enumerate(_states(series)):
        if newest["conclusion"] != "success" and not is_red:
            found.append(_opened(at, newest, is_start_known=place > 0))
        elif newest["conclusion"] == "success" and is_red:
            found[-1] |= _closed(found[-1], at, newest)
        is_red = newest["conclusion"] != "success"
    for interval in found:
        interval["failed_attempt_count"] = _failures_in(interval, series)
    return found


def _states(series: list[Row]) -> list[tuple[datetime, Row]]:
    """At each time at which attempts ended, which of all that had ended is the newest."""
    states: list[tuple[datetime, Row]] = []
    by_end = grouped(series, "ended_at")
    for (at,) in sorted(by_end):
        before = [states[-1][1]] if states else []
        states.append((at, max([*before, *by_end[at,]], key=_age)))
    return states


def _age(attempt: Row) -> tuple[Any, ...]:
    return attempt["run_created_at"], attempt["run_id"], attempt["run_attempt"]


def _opened(at: datetime, failed: Row, *, is_start_known: bool) -> Row:
    return {
        **{name: failed[name] for name in SERIES},
        "first_failed_run_id": failed["run_id"],
        "first_failed_run_attempt": failed["run_attempt"],
        "first_failed_sha": failed["head_sha"],
        "started_at": at,
        "is_start_known": is_start_known,
        "ended_at": None,
        "recovered_run_id": None,
        "recovered_run_attempt": None,
        "recovered_sha": None,
        "duration_seconds": None,
    }


def _closed(interval: Row, at: datetime, passed: Row) -> Row:
    return {
        "ended_at": at,
        "recovered_run_id": passed["run_id"],
        "recovered_run_attempt": passed["run_attempt"],
        "recovered_sha": passed["head_sha"],
        "duration_seconds": seconds(interval["started_at"], at),
    }


def _failures_in(interval: Row, series: list[Row]) -> int:
    """Decisive failures that ended from the interval's start until before its end."""
    return sum(
        row["conclusion"] != "success"
        and row["ended_at"] >= interval["started_at"]
        and (interval["ended_at"] is None or row["ended_at"] < interval["ended_at"])
        for row in series
    )
