"""GET /runs/{run_id}/failures: each context with its evidence, computed by hand."""

from typing import Any

import pytest

from tests.api.client import ValidatingClient, bearer
from tests.api.marts import Marts, moment

pytestmark = pytest.mark.integration


def job(marts: Marts, job_id: int, run_id: int, name: str, begins: str, conclusion: str) -> None:
    """A job of 10 minutes on the runner r1."""
    began = moment(begins)
    marts.job(
        job_id,
        run_id,
        name=name,
        status="completed",
        conclusion=conclusion,
        created_at=began,
        started_at=began,
        completed_at=began.replace(minute=began.minute + 10),
        duration_seconds=600,
        runner_name="r1",
        failed_step_number=3 if conclusion == "failure" else None,
        failed_step_name="pytest" if conclusion == "failure" else None,
    )


@pytest.fixture
def history(marts: Marts) -> Marts:
    """On the default branch `broken` is red since run 2; on another branch `elsewhere` failed; run
    4 flaked in `flaky`. Run 9 of the branch `mine` failed in all of them, and in two more."""
    marts.repository(1, "acme/widgets")
    marts.workflow(11, 1, "Build")
    on_default = {"health_group": "default_branch"}
    marts.run(1, 11, "2026-01-01 08:00", **on_default)
    marts.run(2, 11, "2026-01-02 08:00", attempts=["failure"], **on_default)
    marts.run(3, 11, "2026-01-03 08:00", attempts=["failure"], **on_default)
    marts.run(4, 11, "2026-01-04 08:00", attempts=["failure", "success"], head_branch="other")
    marts.run(9, 11, "2026-01-05 08:00", attempts=["failure"], head_branch="mine")
    job(marts, 11, 1, "broken", "2026-01-01 08:00", "success")
    job(marts, 12, 1, "alone", "2026-01-01 08:00", "success")
    job(marts, 21, 2, "broken", "2026-01-02 08:00", "failure")
    job(marts, 31, 3, "broken", "2026-01-03 08:00", "failure")
    job(marts, 41, 4, "elsewhere", "2026-01-04 10:00", "failure")
    job(marts, 42, 4, "flaky", "2026-01-03 07:00", "failure")
    job(marts, 43, 4, "flaky", "2026-01-03 07:30", "success")
    marts.flaky_job(42, 43)
    for number, name in enumerate(("broken", "elsewhere", "flaky", "alone", "new")):
        job(marts, 91 + number, 9, name, f"2026-01-05 08:0{number}", "failure")
    job(marts, 99, 9, "fine", "2026-01-05 08:00", "success")
    marts.add_up_days()
    marts.add_up_job_days()
    return marts


def failures(client: ValidatingClient, token: str, run_id: int) -> dict[str, Any]:
    rows = client.answer(f"/runs/{run_id}/failures", token)["data"]
    return {row["name"]: row for row in rows}


def test_each_failed_job_has_the_first_context_that_holds(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    found = failures(client, token, 9)
    assert {name: row["context"] for name, row in found.items()} == {
        "broken": "default_branch",
        "elsewhere": "elsewhere",
        "flaky": "flaked_before",
        "alone": "only_here",
        "new": "no_history",
    }
    assert list(found) == ["broken", "elsewhere", "flaky", "alone", "new"]


def test_the_evidence_is_told_of_all(history: Marts, client: ValidatingClient, token: str) -> None:
    found = failures(client, token, 9)
    there = found["broken"]["default_branch"]
    assert (there["conclusion"], there["run"]["run_id"]) == ("failure", 3)
    assert there["red_since"]["run_id"] == 2
    assert found["alone"]["default_branch"]["conclusion"] == "success"
    assert found["alone"]["default_branch"]["red_since"] is None
    assert found["new"]["default_branch"] is None

    elsewhere = found["elsewhere"]["elsewhere"]
    assert (elsewhere["failed_branch_count"], elsewhere["branch_count"]) == (1, 1)
    assert [(run["run_id"], run["head_branch"]) for run in elsewhere["runs"]] == [(4, "other")]

    flaky = found["flaky"]["flaky"]
    assert (flaky["occurrence_count"], flaky["executed_run_count"]) == (1, 1)
    assert (flaky["last"]["run_id"], flaky["same_step_count"]) == (4, 1)
    assert found["alone"]["flaky"]["flaky_rate"] == 0
    assert found["new"]["flaky"]["flaky_rate"] is None

    assert found["broken"]["runner"] == {
        "runner_name": "r1",
        "failure_count": 2,
        "job_count": 3,
    }
    assert found["broken"]["failed_step"] == {"number": 3, "name": "pytest"}


def test_a_run_without_a_failed_job_has_none_and_one_that_is_hidden_is_none(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    assert failures(client, token, 1) == {}
    history.remove_repository(1)
    assert client.get("/runs/9/failures", headers=bearer(token)).status_code == 404
