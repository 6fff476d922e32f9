"""GET /runs, /runs/{run_id}, and a workflow's runs as rows and as columns."""

from typing import Any

import pytest

from api.runs import queries
from tests.api.client import ValidatingClient, bearer
from tests.api.marts import Marts, moment

pytestmark = pytest.mark.integration

SINCE = "from=2026-01-01"


@pytest.fixture
def history(marts: Marts) -> Marts:
    marts.repository(1, "acme/widgets")
    marts.repository(2, "acme/gadgets")
    marts.workflow(11, 1, "Build")
    marts.workflow(12, 1, "Deploy")
    marts.workflow(21, 2, "Test")
    run = marts.run
    run(101, 11, "2026-01-01 00:00", duration_seconds=10, queue_seconds=3)
    run(102, 11, "2026-01-02 00:00", duration_seconds=20, pull_request_numbers=[7, 8])
    run(103, 11, "2026-01-02 00:00", attempts=["failure"], duration_seconds=90)
    run(104, 11, "2026-01-03 00:00", head_branch="topic", duration_seconds=20, queue_seconds=1)
    run(
        105,
        11,
        "2026-01-04 00:00",
        attempts=["failure", "failure", "success"],
        duration_seconds=20,
        run_number=5,
        display_title="Fix it",
        gone_at=moment("2026-01-09 00:00"),
    )
    run(106, 11, "2026-01-05 00:00", attempts=[None])
    run(201, 21, "2026-01-03 12:00", duration_seconds=30)
    return marts


def ids(answer: Any) -> list[int]:
    return [row["run_id"] for row in answer["data"]]


def test_a_run_has_the_columns_of_its_mart_and_names(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    answer = client.answer(f"/runs?{SINCE}&run_number=5", token)
    assert answer["filter"] == {"from": "2026-01-01", "run_number": 5, "sort": "-created_at"}
    [run] = answer["data"]
    expected = {
        "run_id": 105,
        "run_number": 5,
        "run_attempt": 3,
        "repository_full_name": "acme/widgets",
        "workflow_name": "Build",
        "display_title": "Fix it",
        "status": "completed",
        "conclusion": "success",
        "first_attempt_conclusion": "failure",
        "head_branch": "main",
        "actor_login": "Mona",
        "created_at": "2026-01-04T00:00:00Z",
        "day": "2026-01-04",
        "duration_seconds": 20,
        "queue_seconds": None,
        "pull_request_numbers": None,
        "gone_at": "2026-01-09T00:00:00Z",
    }
    assert {name: run[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [106, 105, 201, 104, 103, 102, 101]),
        ("&sort=created_at", [101, 102, 103, 104, 201, 105, 106]),
        ("&sort=duration_seconds", [101, 102, 104, 105, 201, 103, 106]),
        ("&sort=-duration_seconds", [103, 201, 105, 104, 102, 101, 106]),
        ("&sort=-queue_seconds&repository=1", [101, 104, 106, 105, 103, 102]),
        ("&sort=-run_attempt&repository=1", [105, 106, 104, 103, 102, 101]),
        ("&pull_request=8", [102]),
        ("&branch=topic", [104]),
        ("&conclusion=failure", [103]),
        ("&workflow=21", [201]),
        ("&attempts_at_least=2", [105]),
        ("&to=2026-01-02", [103, 102, 101]),
    ],
)
def test_runs_come_in_the_order_that_is_asked_for(
    history: Marts, client: ValidatingClient, token: str, query: str, expected: list[int]
) -> None:
    path = f"/runs?{SINCE}{query}"
    assert ids(client.answer(path, token)) == expected
    paged: list[int] = []
    after = ""
    while after is not None:
        page = client.answer(f"{path}&limit=2{after and f'&next={after}'}", token)
        paged += ids(page)
        after = page["next"]
    assert paged == expected


def test_an_order_that_is_unknown_is_refused(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    response = client.get("/runs?sort=conclusion", headers=bearer(token))
    assert response.status_code == 400
    assert "must be one of created_at, -created_at" in response.text


def test_runs_of_a_workflow_are_those_of_one_repository(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    history.workflow(11, 2, "ci.yml", state=None, is_stub=True)
    history.run(202, 11, "2026-01-06 00:00", repository_id=2)
    path = f"/workflows/11/runs?{SINCE}"
    assert ids(client.answer(path, token)) == [106, 105, 104, 103, 102, 101]
    assert ids(client.answer(f"{path}&repository=2", token)) == [202]
    assert ids(client.answer(f"/workflows/21/runs?{SINCE}", token)) == [201]
    assert client.get("/workflows/12/runs?repository=2", headers=bearer(token)).status_code == 404
    csv = client.get(f"{path}&limit=1", headers={**bearer(token), "Accept": "text/csv"})
    assert csv.text.splitlines()[1].startswith("106,")
    assert csv.headers["Link"].endswith('rel="next"')


def test_one_run_has_its_attempts_and_what_is_usual(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    """Attempt 2 could not be had. Of the 28 days before, the successes took 10, 20 and 20 s."""
    history.run(90, 11, "2025-12-06 23:59", duration_seconds=5_000)
    history.connection.execute(
        "delete from marts.workflow_run_attempts where run_id = 105 and run_attempt = 2"
    )
    history.connection.execute(
        "update marts.workflow_run_attempts set triggering_actor_login = 'octocat', ended_at = %s "
        "where run_id = 105 and run_attempt = 3",
        [moment("2026-01-04 00:20")],
    )
    history.job(1, 105, name="test", conclusion="failure", failed_step_number=2)
    history.job(2, 105, name="test", run_attempt=3, started_at=moment("2026-01-04 00:10"))
    history.job(3, 105, name="lint", run_attempt=3, started_at=moment("2026-01-04 00:09"))
    history.step(1, 1, "Set up", duration_seconds=1)
    history.step(1, 2, "Test", conclusion="failure", duration_seconds=5)
    for job_id, run_id, seconds in ((4, 101, 10), (5, 104, 20), (6, 104, 40)):
        history.job(
            job_id,
            run_id,
            name="test",
            status="completed",
            conclusion="success",
            duration_seconds=seconds,
        )
    run = client.answer("/runs/105", token)["data"]
    assert run["usual"] == {"run_count": 3, "p50_seconds": 20, "p95_seconds": 20}
    assert (run["previous_run_id"], run["next_run_id"]) == (103, 106)
    assert run["workflow_name"] == "Build"
    first, second, third = run["attempts"]
    assert [(each["run_attempt"], each["is_known"]) for each in run["attempts"]] == [
        (1, True),
        (2, False),
        (3, True),
    ]
    assert (second["conclusion"], second["jobs"]) == (None, [])
    assert (third["triggering_actor_login"], third["ended_at"]) == (
        "octocat",
        "2026-01-04T00:20:00Z",
    )
    assert [job["job_id"] for job in third["jobs"]] == [3, 2]
    [job] = first["jobs"]
    assert job["failed_step"] == {"number": 2, "name": None}
    assert (job["step_count"], job["steps"]) == (2, None)
    # Of the values 10, 20, 40: nine tenths of the way from 20 to 40.
    assert job["usual"] == {"run_count": 2, "p50_seconds": 20, "p95_seconds": 38}
    assert third["jobs"][0]["usual"] == {"run_count": 0, "p50_seconds": None, "p95_seconds": None}

    answer = client.answer("/runs/105?include=steps", token)
    assert answer["filter"] == {"include": ["steps"]}
    [job] = answer["data"]["attempts"][0]["jobs"]
    assert [(step["step_number"], step["name"]) for step in job["steps"]] == [
        (1, "Set up"),
        (2, "Test"),
    ]


def test_a_run_without_a_branch_is_beside_no_other(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    for run_id in (107, 108):
        history.run(run_id, 11, f"2026-01-06 00:0{run_id - 100}", head_branch=None)
    run = client.answer("/runs/107", token)["data"]
    assert (run["previous_run_id"], run["next_run_id"]) == (None, None)
    last = client.answer("/runs/106", token)["data"]
    assert (last["previous_run_id"], last["next_run_id"]) == (105, None)


def test_a_run_that_is_not_there_is_a_404(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    assert client.get("/runs/999", headers=bearer(token)).status_code == 404
    history.remove_repository(2)
    assert client.get("/runs/201", headers=bearer(token)).status_code == 404


def test_a_timeline_has_runs_as_columns_oldest_first(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    data = client.answer(f"/workflows/11/timeline?{SINCE}&branch=main", token)["data"]
    assert data == {
        "run_count": 5,
        "is_thinned": False,
        "run_id": [101, 102, 103, 105, 106],
        "run_attempt": [1, 1, 1, 3, 1],
        "created_at": [f"2026-01-0{day}T00:00:00Z" for day in (1, 2, 2, 4, 5)],
        "duration_seconds": [10, 20, 90, 20, None],
        "queue_seconds": [3, None, None, None, None],
        "conclusion": ["success", "success", "failure", "success", None],
        "head_sha": [f"{run_id:040x}" for run_id in (101, 102, 103, 105, 106)],
        "display_title": [None, None, None, "Fix it", None],
    }
    nothing = client.answer("/workflows/11/timeline?from=2020-01-01&to=2020-01-01", token)["data"]
    assert (nothing["run_count"], nothing["is_thinned"], nothing["run_id"]) == (0, False, [])


def test_a_timeline_of_a_job_tells_its_newest_execution_in_each_run(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    history.job(1, 105, name="test", conclusion="failure", duration_seconds=7, queue_seconds=1)
    history.job(2, 105, name="test", run_attempt=3, conclusion="success", duration_seconds=8)
    history.job(3, 105, name="lint", run_attempt=3, duration_seconds=99)
    history.job(4, 101, name="test", conclusion="failure", duration_seconds=6, queue_seconds=2)
    history.job(5, 102, name="test", is_executed=False, conclusion="skipped")
    path = f"/workflows/11/timeline?{SINCE}"
    data = client.answer(f"{path}&job_name=test", token)["data"]
    names = ("run_id", "run_attempt", "duration_seconds", "queue_seconds", "conclusion")
    assert [data[name] for name in names] == [
        [101, 105],
        [1, 3],
        [6, 8],
        [2, None],
        ["failure", "success"],
    ]
    two = client.get(f"{path}&job_name=test&job_name=lint", headers=bearer(token))
    assert two.status_code == 400


def test_a_long_timeline_keeps_the_extremes_of_each_bucket(
    history: Marts, client: ValidatingClient, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two buckets of three runs: 10, 20, 90 s and 20, 20 s, unknown."""
    monkeypatch.setattr(queries, "MOST_POINTS", 4)
    data = client.answer(f"/workflows/11/timeline?{SINCE}", token)["data"]
    assert (data["run_count"], data["is_thinned"]) == (6, True)
    assert data["run_id"] == [101, 103, 104]
