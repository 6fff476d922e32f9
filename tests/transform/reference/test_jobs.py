"""Copies, execution and impossible readings."""

from typing import Any

import pytest

from tests.transform.reference.cases import column, job, marts, one, run, step, waiting

pytestmark = pytest.mark.unit


def judged(*jobs: Any, **second: Any) -> Any:
    """The jobs of a run with two attempts: of 10:00, and of 12:00:01."""
    attempts = (
        run(1, "10:00", "failure"),
        run(1, "10:00", attempt=2, **{"run_started_at": "12:00:01", **second}),
    )
    return {row["job_id"]: row for row in marts(*attempts, *jobs)["jobs"]}


def copies(*jobs: Any, **second: Any) -> dict[int, bool]:
    return {key: row["is_carried_over"] for key, row in judged(*jobs, **second).items()}


def test_a_copy_lies_before_its_attempt_or_repeats_an_executed_job() -> None:
    passed = job(1, "10:00", "10:10")
    copy = {**passed, "job_id": 2, "run_attempt": 2, "created_at": "2026-03-02T12:00:02Z"}
    assert copies(passed, {**copy, **waiting()}) == {1: False, 2: True}
    # Without the attempt's start only the repetition tells.
    assert copies(passed, copy, run_started_at=None) == {1: False, 2: True}
    assert copies(copy, run_started_at=None) == {2: False}
    assert copies({**passed, **waiting()}, copy, run_started_at=None) == {1: False, 2: False}
    # Of the third attempt, which has no row of its own.
    assert copies(passed, {**copy, "run_attempt": 3}) == {1: False, 2: True}


def test_a_copy_counts_among_the_listed_alone() -> None:
    passed = job(1, "10:00", "10:10", labels=["self-hosted"], steps=[step(1, "failure")])
    found = judged(passed, {**passed, "job_id": 2, "run_attempt": 2})[2]
    nothing = (
        "queue_seconds", "duration_seconds", "self_hosted_minutes", "estimated_cost_usd",
        "waste_cause", "wasted_minutes", "failed_step_number", "cost_day",
    )  # fmt: skip
    assert [found[name] for name in nothing] == [None] * len(nothing)
    assert not found["is_executed"]
    assert found["steps_left_out"] == 0


def test_what_never_began_or_is_open_is_no_copy() -> None:
    never_began = job(1, "12:00", "12:30", "cancelled", run_attempt=2, **waiting())
    still_open = job(
        2, "11:59", "11:59", "", run_attempt=2, status="in_progress", completed_at=None
    )
    begun_before = job(3, "11:59", "12:00:01", run_attempt=2)
    assert copies(never_began, still_open, begun_before) == {1: False, 2: False, 3: False}


def test_a_job_executed_where_a_runner_took_it() -> None:
    runners: list[dict[str, Any]] = [
        {"runner_id": 7},
        {"runner_id": 0, "runner_name": "GitHub Actions 3"},
        {"runner_id": 0, "runner_name": ""},
        {"runner_id": None},
        {"runner_id": 7, "status": "queued"},
        {"runner_id": 7, "status": "in_progress", "completed_at": None},
    ]
    jobs = [job(number, "10:00", "10:10", **each) for number, each in enumerate(runners)]
    found = marts(run(1, "10:00"), *jobs)["jobs"]
    assert column(found, "is_executed") == [True, True, False, False, False, True]


@pytest.mark.parametrize(
    ("created", "started", "completed", "queue", "duration", "impossible"),
    [
        ("10:00", "10:01", "10:03", 60, 120, (False, False)),
        ("10:00", "10:00", "10:00", 0, 0, (False, False)),
        ("10:02", "10:01", "10:00", None, None, (True, True)),
        (None, "10:01", None, None, None, (False, False)),
        # 35 days are possible, a second more is not.
        ("2026-01-01T00:00:00Z", "2026-02-05T00:00:00Z", "2026-03-12T00:00:01Z", 3_024_000, None,
         (False, True)),
        ("2026-03-02T10:00:00Z", "0001-01-01T00:00:00Z", "2026-03-02T10:00:00Z", None, None,
         (True, True)),
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "1970-01-01T00:01:00Z", None, None,
         (True, True)),
        ("2017-12-31T23:59:59Z", "2018-01-01T00:00:00Z", "2018-01-01T00:00:10Z", None, 10,
         (True, False)),
    ],
)  # fmt: skip
def test_readings(
    created: str | None,
    started: str,
    completed: str | None,
    queue: int | None,
    duration: int | None,
    impossible: tuple[bool, bool],
) -> None:
    times = {"created_at": created, "started_at": started, "completed_at": completed}
    found = one(marts(run(1, "10:00"), job(1, "10:00", "10:00", **times))["jobs"])
    assert (found["queue_seconds"], found["duration_seconds"]) == (queue, duration)
    assert (found["is_impossible_queue"], found["is_impossible_duration"]) == impossible
    if duration is None:
        assert found["billable_minutes"] == 0


def test_steps_come_by_number_the_later_of_two_and_none_without() -> None:
    steps = [
        step(3, "failure"),
        step(2, "skipped"),
        step(None, "failure"),
        step(2, "timed_out", name="again", started_at="2026-03-02T05:00:00.250-05:00",
             completed_at="2026-03-02T10:01:01Z"),
        step(5, started_at="2026-03-02T10:00:01Z", completed_at="2026-03-02T10:00:00Z"),
    ]  # fmt: skip
    found = marts(run(1, "10:00"), job(1, "10:00", "10:05", "failure", steps=steps))
    told = one(found["jobs"])
    assert (told["failed_step_number"], told["failed_step_name"]) == (2, "again")
    assert told["steps_left_out"] == 2
    assert {row["step_number"]: row["duration_seconds"] for row in found["steps"]} == {
        2: 60,
        3: None,
        5: None,
    }


def test_a_skipped_job_has_no_steps() -> None:
    skipped = job(1, "10:00", "10:00", "skipped", steps=[step(1)], **waiting())
    assert marts(run(1, "10:00"), skipped)["steps"] == []
