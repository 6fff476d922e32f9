"""Jobs that failed, then passed."""

from decimal import Decimal
from typing import Any

import pytest

from tests.transform.reference.cases import job, marts, one, run, step, waiting

pytestmark = pytest.mark.unit


def attempts(*conclusions: str) -> list[Any]:
    return [
        run(1, "10:00", ended, attempt=number, run_started_at=f"{9 + number}:00")
        for number, ended in enumerate(conclusions, start=1)
    ]


def executions(*conclusions: str, name: str | None = "build", first_id: int = 1) -> list[Any]:
    """One in each attempt, of ten minutes times its number."""
    return [
        job(
            first_id + number - 1, f"{9 + number}:00", f"{9 + number}:{number}0", ended,
            run_attempt=number, name=name,
        )
        for number, ended in enumerate(conclusions, start=1)
    ]  # fmt: skip


def evidence(*conclusions: str) -> list[tuple[int, int]]:
    rows = [*attempts(*conclusions), *executions(*conclusions)]
    return [
        (row["failed_attempt"], row["passed_attempt"])
        for row in marts(*rows)["flaky_job_occurrences"]
    ]


def test_the_first_failure_and_the_first_pass_after_it() -> None:
    assert evidence("failure", "cancelled", "success") == [(1, 3)]
    assert evidence("failure", "success", "failure", "success") == [(1, 2)]
    assert evidence("success", "timed_out", "success") == [(2, 3)]
    assert evidence("success", "failure") == []
    assert evidence("cancelled", "success") == []
    assert evidence("failure", "failure") == []


def test_skipped_then_success_is_none() -> None:
    skipped = job(1, "10:00", "10:00", "skipped", **waiting())
    rows = [*attempts("failure", "success"), skipped, job(2, "11:00", "11:10", run_attempt=2)]
    assert marts(*rows)["flaky_job_occurrences"] == []


def test_a_copy_is_no_pass() -> None:
    failed, passed = executions("failure", "success", name="test")
    copy = {**job(9, "10:00", "10:10", "success", name="test"), "run_attempt": 2}
    rows = [*attempts("failure", "success"), failed, copy]
    assert marts(*rows)["flaky_job_occurrences"] == []
    assert len(marts(*rows, passed)["flaky_job_occurrences"]) == 1


def test_a_name_that_executed_twice_is_left_out_and_counted() -> None:
    twice = job(9, "10:00", "10:10")
    ambiguous = executions("failure", "success")
    other = executions("failure", "success", name=None, first_id=20)
    found = marts(*attempts("failure", "success"), *ambiguous, twice, *other)
    assert one(found["flaky_job_occurrences"])["job_name"] is None
    assert one(found["workflow_runs"])["ambiguous_name_count"] == 1
    days = found["job_statistics_by_day"]
    assert one(days, job_name="build")["occurrence_count"] == 0
    assert one(days, job_name="build")["ambiguous_run_count"] == 1
    assert one(days, job_name=None)["occurrence_count"] == 1

    not_executed = {**twice, **waiting()}
    found = marts(*attempts("failure", "success"), *ambiguous, not_executed)
    assert len(found["flaky_job_occurrences"]) == 1


def test_the_evidence_and_what_it_cost() -> None:
    first, second, third, fourth = executions("failure", "success", "timed_out", "cancelled")
    first |= {"steps": [step(4, "failure")], "runner_name": "a"}
    rows = [*attempts("failure", "success", "failure", "cancelled"), first, second, third, fourth]
    found = marts(*rows)
    occurrence = one(found["flaky_job_occurrences"])
    expected = {
        "repository_id": 101, "workflow_id": 201, "run_id": 1, "job_name": "build",
        "failed_attempt": 1, "failed_job_id": 1, "failed_conclusion": "failure",
        "failed_step_number": 4, "failed_step_name": "step 4", "passed_attempt": 2,
        "passed_job_id": 2,
        # From 10:10 to 11:20; both failed executions, of 10 and 30 minutes.
        "event": "push", "head_branch": "main", "failed_runner_name": "a",
        "lost_seconds": 4200, "flaky_wasted_minutes": 40, "flaky_cost_usd": Decimal("0.24"),
    }  # fmt: skip
    assert expected.items() <= occurrence.items()
    assert not occurrence["is_lower_bound"]
    day = one(found["job_statistics_by_day"])
    assert (day["executed_run_count"], day["occurrence_count"]) == (1, 1)
    assert (day["flaky_wasted_minutes"], day["flaky_cost_usd"]) == (40, Decimal("0.24"))


def test_lost_seconds_are_unknown_where_an_end_is_impossible() -> None:
    def lost(failed_at: str, passed_at: str) -> Any:
        failed, passed = executions("failure", "success")
        ends = [{**failed, "completed_at": failed_at}, {**passed, "completed_at": passed_at}]
        return one(marts(*attempts("failure", "success"), *ends)["flaky_job_occurrences"])[
            "lost_seconds"
        ]

    assert lost("2026-03-02T10:10:00Z", "2026-04-11T10:10:00Z") == 40 * 86_400
    assert lost("2026-03-02T10:10:00Z", "2026-03-02T10:09:59Z") is None
    assert lost("0001-01-01T00:00:00Z", "2026-03-02T10:09:59Z") is None


def test_flaky_runs_and_commits() -> None:
    rows = [
        run(1, "10:00", "failure", head_sha="a"),
        run(1, "10:00", "success", attempt=2, head_sha="a"),
        run(2, "10:00", "success", attempt=2, head_sha="b"),
        run(3, "10:00", "timed_out", head_sha="b"),
        run(4, "10:00", "success", attempt=1, head_sha="c"),
        run(4, "10:00", "failure", attempt=2, head_sha="c"),
        run(5, "10:00", "failure", head_sha=None),
        run(6, "10:00", "success", head_sha=""),
        run(7, "10:00", "success", head_sha="d"),
        run(7, "10:00", "failure", attempt=2, head_sha="d"),
        run(7, "10:00", "success", attempt=3, head_sha="d"),
    ]
    found = marts(*rows)
    assert {row["run_id"]: row["is_flaky"] for row in found["workflow_runs"]} == {
        1: True, 2: False, 3: False, 4: False, 5: False, 6: False, 7: True,
    }  # fmt: skip
    day = one(found["workflow_statistics_by_day"])
    assert day["flaky_run_count"] == 2
    assert (day["flaky_commit_count"], day["flaky_commit_latest_count"]) == (4, 1)
