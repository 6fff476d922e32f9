"""Runners by hour."""

from typing import Any

import pytest

from tests.transform.reference.cases import job, marts, one, run, waiting

pytestmark = pytest.mark.unit


def hours(*jobs: Any) -> dict[str, Any]:
    found = marts(run(1, "10:00"), *jobs)["runner_statistics_by_hour"]
    return {f"{row['hour']:%d %H}": row for row in found}


def told(rows: dict[str, Any], *names: str) -> dict[str, Any]:
    return {hour: tuple(row[name] for name in names) for hour, row in rows.items()}


def test_a_job_over_midnight_is_busy_in_each_hour_and_counted_in_one() -> None:
    found = hours(job(1, "23:30", "3 01:00", created_at="22:59"))
    assert told(found, "job_count", "busy_seconds", "peak_jobs", "peak_queued") == {
        "02 22": (1, None, None, 1),
        "02 23": (0, 1800, 1, 1),
        "03 00": (0, 3600, 1, None),
    }
    assert told(found, "queue_count", "queue_seconds", "longest_queue_seconds")["02 22"] == (
        1, 1860, 1860,
    )  # fmt: skip
    assert told(found, "queue_count", "queue_seconds")["02 23"] == (0, None)


def test_an_end_and_a_start_in_one_second_are_not_two_at_once() -> None:
    found = hours(
        job(1, "10:00", "10:10"),
        job(2, "10:10", "10:20"),
        job(3, "10:15", "10:15"),
        job(4, "10:19", "10:30"),
        job(5, "10:30", "10:30"),
    )
    assert told(found, "job_count", "busy_seconds", "peak_jobs", "peak_queued") == {
        "02 10": (5, 1860, 2, 0)
    }


def test_an_hour_whose_only_jobs_took_no_time_has_no_peak() -> None:
    assert told(hours(job(1, "10:05", "10:05")), "busy_seconds", "peak_jobs") == {"02 10": (0, 0)}


def test_waits_of_executed_jobs_at_once() -> None:
    found = hours(
        job(1, "10:20", "10:20", created_at="10:00"),
        job(2, "10:30", "10:30", created_at="10:20"),
        job(3, "10:40", "10:40", created_at="10:25"),
        job(4, "10:50", "10:50", "cancelled", created_at="10:00", **waiting()),
    )
    assert told(found, "job_count", "jobs_executed", "queue_count", "peak_queued") == {
        "02 10": (4, 3, 3, 2)
    }
    names = ("queue_seconds", "longest_queue_seconds", "queue_within_60_count")
    assert told(found, *names) == {"02 10": (2700, 1200, 0)}
    soon = hours(*(job(wait, f"10:0{wait}", "10:10", created_at="10:00") for wait in (0, 1, 2)))
    assert told(soon, "queue_within_60_count") == {"02 10": (2,)}


def test_a_job_without_an_end_is_open_where_it_started() -> None:
    running = {"status": "in_progress", "completed_at": None}
    found = hours(job(1, "11:00", "11:00", "", created_at="10:50", **running))
    names = ("job_count", "open_job_count", "busy_seconds", "peak_jobs")
    assert told(found, *names) == {"02 10": (1, 0, None, None), "02 11": (0, 1, None, None)}


def test_impossible_readings_are_in_no_span() -> None:
    found = hours(job(1, "10:00", "09:00", created_at="10:30"))
    names = ("jobs_executed", "impossible_queue_count", "queue_count", "busy_seconds")
    assert told(found, *names) == {"02 10": (1, 1, 0, None)}


def test_label_sets() -> None:
    found = marts(
        run(1, "10:00"),
        job(1, "10:00", "10:10", labels=["Linux", "self-hosted"]),
        job(2, "10:00", "10:10", labels=["self-hosted", "linux", "LINUX"]),
        job(3, "10:00", "10:10", labels=[]),
        job(4, "10:00", "10:10", labels=None),
    )["runner_statistics_by_hour"]
    assert one(found, labels=["linux", "self-hosted"])["peak_jobs"] == 2
    assert one(found, labels=[])["job_count"] == 2


def test_copies_are_in_nothing() -> None:
    first = job(1, "10:00", "10:10")
    copy = {**first, "job_id": 2, "run_attempt": 2, "created_at": "2026-03-02T12:00:00Z"}
    rows = [run(1, "10:00"), run(1, "10:00", attempt=2, run_started_at="12:00"), first, copy]
    assert one(marts(*rows)["runner_statistics_by_hour"])["job_count"] == 1
