"""When attempts end, and what their jobs do until then."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.transform.reference.cases import column, job, marts, one, run, waiting

pytestmark = pytest.mark.unit


def attempt(*rows: Any) -> Any:
    return one(marts(*rows)["workflow_run_attempts"])


def end(*jobs: Any, **changes: Any) -> tuple[str | None, int | None]:
    """When the attempt of 10:00 ended, and its duration."""
    found = attempt(run(1, "10:00", **changes), *jobs)
    at = found["ended_at"]
    return at and at.strftime("%H:%M"), found["duration_seconds"]


def test_an_attempt_ends_with_its_last_executed_job() -> None:
    copy = job(3, "11:00", "12:00", **waiting())
    assert end(job(1, "10:01", "10:10"), job(2, "10:02", "10:05"), copy) == ("10:10", 600)
    assert end(job(1, "10:01", "10:10"), status="in_progress", ended=None) == (None, None)
    assert end(job(1, "09:58", "09:59")) == ("09:59", None), "before it started"


def test_an_attempt_without_executed_jobs_ends_as_it_starts() -> None:
    found = attempt(run(1, "10:00", "startup_failure", updated_at="5 10:00"))
    assert found["ended_at"] == datetime(2026, 3, 2, 10, tzinfo=UTC)
    assert found["duration_seconds"] is None
    assert found["api_duration_seconds"] == 3 * 86_400


def test_an_attempt_has_no_end_while_a_job_has_none() -> None:
    open_job = job(2, "10:00", "10:00", "", status="in_progress", completed_at=None)
    assert end(job(1, "10:00", "10:01"), open_job) == (None, None)


def test_an_impossible_job_counts_by_its_end_unless_that_is_impossible_too() -> None:
    good = job(1, "10:00", "10:01")
    zero = "0001-01-01T00:00:00Z"
    assert end(good, job(2, "10:20", "10:10")) == ("10:10", 600)
    assert end(good, job(2, "10:20", "10:10", started_at=zero)) == ("10:10", 600)
    assert end(good, job(2, "10:20", "10:20", completed_at=zero)) == ("10:01", 60)
    assert end(good, job(2, "10:00", "10:00", completed_at="2026-04-07T10:00:00Z")) == ("10:01", 60)
    assert end(job(2, "10:20", "10:20", completed_at=zero)) == (None, None)
    # A job that is possible counts, however late it ends: on 1 April and 34 days after that.
    late = job(2, "10:00", "10:00", started_at="2026-04-01T10:00:00Z")
    assert end({**late, "completed_at": "2026-05-05T10:00:00Z"}) == ("10:00", 64 * 86_400)


def test_run_queue_and_time_to_signal() -> None:
    rows = [
        run(1, "10:00", "failure", run_started_at="10:01"),
        job(1, "10:05", "10:10", "failure"),
        run(1, "10:02", attempt=2, run_started_at="12:00"),
        job(2, "12:03", "12:04", run_attempt=2),
    ]
    found = one(marts(*rows)["workflow_runs"])
    assert (found["queue_seconds"], found["time_to_signal_seconds"]) == (180, 600)
    assert one(marts(*rows[2:])["workflow_runs"])["time_to_signal_seconds"] is None
    without_jobs = one(marts(rows[0], *rows[2:])["workflow_runs"])
    assert without_jobs["time_to_signal_seconds"] is None


def test_time_to_red() -> None:
    jobs = [
        job(1, "10:00", "10:04"),
        job(2, "10:00", "10:06", "timed_out"),
        job(3, "10:00", "10:05", "failure"),
        job(4, "10:00", "10:15"),
    ]
    red = attempt(run(1, "10:00", "failure"), *jobs)
    assert (red["time_to_red_seconds"], red["red_overrun_seconds"]) == (300, 600)
    green = attempt(run(1, "10:00"), *jobs)
    assert (green["time_to_red_seconds"], green["red_overrun_seconds"]) == (None, None)
    unclear = attempt(run(1, "10:00", "failure"), *jobs[::3])
    assert (unclear["time_to_red_seconds"], unclear["red_overrun_seconds"]) == (None, None)


def test_how_busy_an_attempt_was() -> None:
    # The first two overlap by two minutes, the third stands alone, the last has no length.
    jobs = [
        job(1, "10:00", "10:04"),
        job(2, "10:02", "10:06"),
        job(3, "10:08", "10:10"),
        job(4, "10:05", "10:05"),
    ]
    found = attempt(run(1, "10:00"), *jobs)
    assert (found["busy_seconds"], found["covered_seconds"]) == (600, 480)
    assert found["parallelism"] == 1.25
    assert found["idle_seconds"] == 120
    nothing = attempt(run(1, "10:00"), job(1, "10:00", "10:00"))
    assert (nothing["covered_seconds"], nothing["parallelism"]) == (0, None)
    assert attempt(run(1, "10:00"))["busy_seconds"] is None


def test_who_holds_up_the_run() -> None:
    jobs = [
        job(1, "10:00", "10:04", name="lint"),
        job(2, "10:02", "10:06", name="test"),
        job(3, "10:06", "10:10", name="deploy"),
        job(4, "10:10", "10:10", "skipped", name="skipped", **waiting()),
    ]
    days = marts(run(1, "10:00"), *jobs)["job_statistics_by_day"]
    names = ("finished_last_count", "exclusive_seconds", "saved_if_gone_seconds")
    assert {row["job_name"]: [row[name] for name in names] for row in days} == {
        "lint": [0, 120, 0],
        "test": [0, 120, 0],
        "deploy": [1, 240, 240],
        "skipped": [0, None, None],
    }


def test_ties_all_finish_last_and_the_only_job_would_save_everything() -> None:
    tie = marts(run(1, "10:00"), job(1, "10:00", "10:05"), job(2, "10:01", "10:05", name="b"))
    assert column(tie["job_statistics_by_day"], "finished_last_count") == [1, 1]
    assert column(tie["job_statistics_by_day"], "saved_if_gone_seconds") == [0, 0]
    alone = one(marts(run(1, "10:00"), job(1, "10:03", "10:05"))["job_statistics_by_day"])
    assert alone["saved_if_gone_seconds"] == 300


def test_two_attempts_hold_up_each_for_itself() -> None:
    rows = [
        run(1, "10:00", "failure"),
        job(1, "10:00", "10:05", "failure"),
        run(1, "10:00", attempt=2, run_started_at="11:00"),
        job(2, "11:00", "11:07", run_attempt=2),
    ]
    day = one(marts(*rows)["job_statistics_by_day"])
    assert day["finished_last_count"] == 2
    assert (day["exclusive_seconds"], day["saved_if_gone_seconds"]) == (720, 720)


def test_health_groups() -> None:
    own: list[dict[str, Any]] = [
        {},
        {"event": "schedule"},
        {"event": "workflow_dispatch"},
        {"event": "pull_request"},
        {"head_branch": "topic"},
        {"head_branch": None},
        {"head_branch": ""},
        {"head_repository_id": 999},
        {"head_repository_id": None},
        {"event": "merge_group", "head_branch": "gh-readonly-queue/main/pr-1"},
    ]
    runs = [run(number, "10:00", **each) for number, each in enumerate(own, start=1)]
    attempts = marts(*runs)["workflow_run_attempts"]
    assert column(attempts, "health_group") == [
        *["default_branch"] * 3, *[None] * 6, "merge_queue",
    ]  # fmt: skip
