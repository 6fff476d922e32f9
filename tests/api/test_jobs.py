"""GET /jobs and GET /jobs/{job_id}."""

from typing import Any

import pytest

from tests.api.client import ValidatingClient, bearer
from tests.api.marts import Marts, moment

pytestmark = pytest.mark.integration

SINCE = "from=2026-01-01"
COMPLETED = {"status": "completed", "conclusion": "success"}


@pytest.fixture
def history(marts: Marts) -> Marts:
    marts.repository(1, "acme/widgets")
    marts.repository(2, "acme/gadgets")
    marts.workflow(11, 1, "Build")
    marts.workflow(21, 2, "Test")
    marts.run(101, 11, "2026-01-01 00:00")
    marts.run(102, 11, "2026-01-02 00:00", attempts=["failure"], head_branch="topic")
    marts.run(201, 21, "2026-01-03 00:00")
    job = marts.job
    job(
        1,
        101,
        name="test",
        created_at=moment("2026-01-01 00:01"),
        duration_seconds=10,
        labels=["Self-Hosted", "GPU"],
        estimated_cost_usd=0.012,
        **COMPLETED,
    )
    job(2, 101, name="lint", created_at=moment("2026-01-01 00:02"), queue_seconds=5, **COMPLETED)
    job(3, 102, name="test", duration_seconds=30, status="completed", conclusion="failure")
    job(4, 102, name="test (x, y)", is_executed=False, status="queued", labels=["gpu"])
    job(5, 201, name="test", duration_seconds=20, queue_seconds=9, **COMPLETED)
    return marts


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [5, 4, 3, 2, 1]),
        ("&sort=created_at", [1, 2, 3, 4, 5]),
        ("&sort=-duration_seconds", [3, 5, 1, 4, 2]),
        ("&sort=duration_seconds", [1, 5, 3, 2, 4]),
        ("&sort=-queue_seconds", [5, 2, 4, 3, 1]),
        ("&job_name=test", [5, 3, 1]),
        ("&job_name=test+(x,+y)&job_name=lint", [4, 2]),
        ("&runner=gpu", [4, 1]),
        ("&conclusion=success", [5, 2, 1]),
        ("&conclusion=success&branch=topic", []),
        ("&branch=topic", [4, 3]),
        ("&status=queued", [4]),
        ("&repository=2", [5]),
        ("&workflow=11&job_name=test", [3, 1]),
        ("&to=2026-01-01", [2, 1]),
    ],
)
def test_jobs_are_chosen_by_what_they_are_themselves_and_by_their_runs(
    history: Marts, client: ValidatingClient, token: str, query: str, expected: list[int]
) -> None:
    path = f"/jobs?{SINCE}{query}"
    assert [row["job_id"] for row in client.answer(path, token)["data"]] == expected
    paged: list[int] = []
    after: str | None = ""
    while after is not None:
        page = client.answer(f"{path}&limit=2{after and f'&next={after}'}", token)
        paged += [row["job_id"] for row in page["data"]]
        after = page["next"]
    assert paged == expected


def test_a_job_has_the_columns_of_its_mart_and_names(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    *_, job = client.answer(f"/jobs?{SINCE}", token)["data"]
    expected = {
        "job_id": 1,
        "run_id": 101,
        "run_attempt": 1,
        "repository_full_name": "acme/widgets",
        "workflow_name": "Build",
        "name": "test",
        "conclusion": "success",
        "labels": ["Self-Hosted", "GPU"],
        "duration_seconds": 10,
        "estimated_cost_usd": 0.012,
        "is_executed": True,
        "run_created_at": "2026-01-01T00:00:00Z",
    }
    assert {name: job[name] for name in expected} == expected
    csv = client.get(f"/jobs?{SINCE}&limit=1", headers={**bearer(token), "Accept": "text/csv"}).text
    assert csv.startswith("job_id,run_id,")


def test_one_job_has_its_steps_and_what_is_usual_for_them(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    """Before run 102 a test took 10 s, and of run 100, 28 days and a minute before, it does not
    matter what it took. Its set-up took 1 and 2 s."""
    history.run(100, 11, "2025-12-04 23:59")
    history.run(99, 11, "2025-12-05 00:00")
    history.job(6, 100, name="test", duration_seconds=9_000, **COMPLETED)
    history.job(7, 99, name="test", duration_seconds=20, **COMPLETED)
    history.connection.execute(
        "update marts.jobs set failed_step_number = 2, failed_step_name = 'Test' where job_id = 3"
    )
    history.step(3, 1, "Set up", duration_seconds=3)
    history.step(3, 2, "Test", duration_seconds=27, conclusion="failure")
    history.step(1, 1, "Set up", duration_seconds=1)
    history.step(1, 2, "Test", duration_seconds=9, conclusion="failure")
    history.step(7, 1, "Set up", duration_seconds=2)
    history.step(6, 1, "Set up", duration_seconds=1_000)
    history.step(2, 1, "Set up", duration_seconds=1_000)
    answer = client.answer("/jobs/3", token)
    job: Any = answer["data"]
    assert (job["name"], job["run_id"], job["workflow_name"]) == ("test", 102, "Build")
    assert job["usual"] == {"run_count": 2, "p50_seconds": 15, "p95_seconds": 19.5}
    assert (job["failed_step"], job["step_count"]) == ({"number": 2, "name": "Test"}, 2)
    assert [
        (step["step_number"], step["duration_seconds"], step["usual_p50_seconds"])
        for step in job["steps"]
    ] == [(1, 3, 1.5), (2, 27, None)]
    assert client.get("/jobs/999", headers=bearer(token)).status_code == 404
