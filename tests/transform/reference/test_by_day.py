"""Counts and sums by day."""

from decimal import Decimal

import pytest

from tests.transform.reference.cases import column, job, marts, one, run, waiting

pytestmark = pytest.mark.unit


def test_a_run_is_filed_under_the_creation_of_its_earliest_attempt() -> None:
    late = run(1, "3 09:00", attempt=2)
    assert one(marts(late)["workflow_runs"])["day"].isoformat() == "2026-03-03"
    found = marts(late, run(1, "23:59", "failure"), job(1, "3 10:00", "3 10:10", run_attempt=2))
    assert one(found["workflow_runs"])["day"].isoformat() == "2026-03-02"
    assert one(found["jobs"])["day"].isoformat() == "2026-03-02"
    assert one(found["cost_by_day"])["day"].isoformat() == "2026-03-03"


def test_a_run_that_nobody_knows_the_creation_of_has_no_day() -> None:
    found = marts(run(1, "10:00", created_at=None), job(1, "10:00", "10:10"))
    assert len(found["workflow_run_attempts"]) == 1
    assert found["workflow_runs"] == found["jobs"] == found["workflow_statistics_by_day"] == []


def test_rates_of_a_workflow_and_of_its_repository() -> None:
    found = marts(
        run(1, "10:00", "failure"),
        run(1, "10:00", attempt=3),
        run(2, "10:00", "startup_failure"),
        run(3, "10:00", "cancelled"),
        run(4, "10:00", "brand_new"),
        run(5, "10:00", status="in_progress", ended=""),
        run(6, "10:00", workflow_id=202),
    )
    own = one(found["workflow_statistics_by_day"], workflow_id=201)
    expected = {
        "run_count": 5, "completed_count": 4, "success_count": 1, "startup_failure_count": 1,
        "cancelled_count": 1, "other_conclusion_count": 1, "decisive_count": 2, "success_rate": 0.5,
        "success_rate_completed": 0.25, "first_attempt_success_count": 0,
        "first_attempt_decisive_count": 2, "first_attempt_success_rate": 0.0, "rerun_count": 1,
        "extra_attempt_count": 2, "rerun_rate": 0.2, "flaky_run_count": 1,
        "billable_minutes": None, "wasted_minutes": None, "rerun_wasted_minutes": None,
    }  # fmt: skip
    assert expected.items() <= own.items()
    both = one(found["repository_statistics_by_day"], repository_id=101, day=own["day"])
    assert (both["run_count"], both["success_rate"]) == (6, 2 / 3)
    assert (both["first_attempt_success_rate"], both["rerun_rate"]) == (1 / 3, 1 / 6)


def test_jobs_by_name() -> None:
    found = marts(
        run(1, "10:00", "failure"),
        run(1, "10:00", attempt=2, run_started_at="12:00"),
        run(2, "10:00"),
        job(1, "10:00", "10:10", "failure"),
        job(2, "12:00", "12:05", run_attempt=2),
        job(3, "10:00", "10:00", "skipped", run_id=2, **waiting()),
        job(4, "10:20", "10:10", run_id=2, name="test", labels=["arc"]),
    )
    days = found["job_statistics_by_day"]
    expected = {
        "jobs_listed": 3, "jobs_executed": 2, "executed_run_count": 1, "success_count": 1,
        "failure_count": 1, "skipped_count": 0, "billable_minutes": 15, "unknown_minutes": 0,
        "rerun_wasted_minutes": 10, "wasted_minutes": 10, "estimated_cost_usd": Decimal("0.09"),
        "unpriced_job_count": 0, "is_lower_bound": False, "occurrence_count": 1,
    }  # fmt: skip
    assert expected.items() <= one(days, job_name="build").items()
    expected = {
        "jobs_executed": 1, "impossible_duration_count": 1, "billable_minutes": 0,
        "unknown_minutes": 0, "estimated_cost_usd": None, "unpriced_job_count": 1,
        "is_lower_bound": True, "occurrence_count": 0, "flaky_wasted_minutes": None,
    }  # fmt: skip
    assert expected.items() <= one(days, job_name="test").items()


def test_costs_of_a_success_and_of_classes() -> None:
    found = marts(
        run(1, "10:00"),
        run(2, "10:00"),
        job(1, "10:00", "10:10"),
        job(2, "3 10:00", "3 10:10", labels=["self-hosted"]),
        job(3, "10:00", "10:10", labels=["arc"]),
        job(4, "10:00", "10:00", "", status="in_progress", completed_at=None),
        job(5, "10:00", "10:00", "skipped", **waiting()),
    )
    assert one(found["workflow_statistics_by_day"])["cost_per_success_usd"] == 0.03
    [linux, own, unknown] = sorted(found["cost_by_day"], key=lambda row: row["runner_class"])
    names = ("job_count", "billable_minutes", "self_hosted_minutes", "unknown_minutes")
    assert [linux[name] for name in names] == [2, 10, 0, 0]
    assert [own[name] for name in names] == [1, 0, 10, 0]
    assert [unknown[name] for name in names] == [1, 0, 0, 10]
    costs = [(row["estimated_cost_usd"], row["is_lower_bound"]) for row in (linux, own, unknown)]
    assert costs == [(Decimal("0.06"), False), (0, False), (None, True)]
    assert (own["day"] - linux["day"]).days == 1


def test_a_workflow_runs_in_many_repositories_each_by_itself() -> None:
    found = marts(run(1, "10:00"), run(2, "10:00", "failure", repository_id=102))
    days = found["workflow_statistics_by_day"]
    assert sorted(column(days, "repository_id")) == [101, 102]
    assert sorted(column(found["workflows"], "name")) == ["workflow 201"] * 2
