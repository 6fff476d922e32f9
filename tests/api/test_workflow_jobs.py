"""GET /workflows/{workflow_id}/jobs and /steps against numbers computed by hand."""

from typing import Any

import pytest

from tests.api.client import ValidatingClient, bearer
from tests.api.marts import Marts, moment

pytestmark = pytest.mark.integration

SINCE = "from=2026-01-01&to=2026-01-31"
# A filter that chooses the same runs, and that no table by day can answer.
FROM_FACTS = "from=2026-01-01T00:00:01Z&to=2026-01-31"


def at(clock: str) -> Any:
    return moment(f"2026-01-02 {clock}")


@pytest.fixture
def history(marts: Marts) -> Marts:
    """Run 101: build 10:00 to 10:10, test 10:05 to 10:20 (failed) and again in attempt 2, 11:00 to
    11:20, after lint, 11:00 to 11:05. Run 102 on topic: build, 10:00 to 10:30, goes on; test was
    skipped."""
    marts.repository(1, "acme/widgets")
    marts.workflow(11, 1, "Build")
    marts.workflow(12, 1, "Deploy")
    marts.run(101, 11, "2026-01-02 10:00", attempts=["failure", "success"], run_number=7)
    marts.run(102, 11, "2026-01-02 12:00", attempts=[None], head_branch="topic")
    marts.run(103, 12, "2026-01-02 12:00")
    for attempt, end, seconds in ((1, "10:20", 1200), (2, "11:20", 1200)):
        marts.connection.execute(
            """
            update marts.workflow_run_attempts
            set is_completed = true, ended_at = %s, duration_seconds = %s
            where run_id = 101 and run_attempt = %s
            """,
            [at(end), seconds, attempt],
        )
    job(marts, 1, 101, "build", "10:00", "10:10", "success", queue_seconds=2, billable_minutes=10)
    job(
        marts,
        2,
        101,
        "test",
        "10:05",
        "10:20",
        "failure",
        labels=["self-hosted"],
        queue_seconds=4,
        waste_cause="rerun",
        wasted_minutes=15,
        self_hosted_minutes=15,
        failed_step_number=2,
        failed_step_name="Test",
        estimated_cost_usd=0,
    )
    job(marts, 3, 101, "test", "11:00", "11:20", "success", run_attempt=2, labels=["gpu"])
    job(marts, 4, 101, "lint", "11:00", "11:05", "success", run_attempt=2)
    job(marts, 5, 102, "build", "12:00", "12:30", None, status="in_progress", duration_seconds=None)
    marts.job(6, 102, name="test", is_executed=False, status="completed", conclusion="skipped")
    marts.job(7, 103, name="deploy", status="completed", conclusion="success")
    marts.flaky_job(2, 3)
    for name, last, exclusive, saved in (
        ("build", 0, 300, 0),
        ("test", 2, 1500, 1500),
        ("lint", 0, 0, 0),
    ):
        marts.job_days(
            11,
            name,
            "2026-01-02",
            finished_last_count=last,
            exclusive_seconds=exclusive,
            saved_if_gone_seconds=saved,
        )
    return marts


def job(
    marts: Marts,
    job_id: int,
    run_id: int,
    name: str,
    start: str,
    end: str,
    conclusion: Any,
    **more: Any,
) -> None:
    times = {"started_at": at(start), "completed_at": at(end)}
    seconds = int((at(end) - at(start)).total_seconds())
    given = {"status": "completed", "duration_seconds": seconds, "labels": ["ubuntu-latest"]}
    marts.job(job_id, run_id, name=name, conclusion=conclusion, **times, **{**given, **more})


@pytest.mark.parametrize("range_", [SINCE, FROM_FACTS])
def test_a_job_is_told_by_its_name(
    history: Marts, client: ValidatingClient, token: str, range_: str
) -> None:
    answer = client.answer(f"/workflows/11/jobs?{range_}", token)
    assert answer["filter"]["sort"] == "job_name"
    build, lint, test = answer["data"]
    assert [row["job_name"] for row in answer["data"]] == ["build", "lint", "test"]
    expected = {
        "labels": ["gpu"],
        "latest_conclusion": "success",
        "executed_run_count": 1,
        "completed_count": 2,
        "success_count": 1,
        "failure_count": 1,
        "timed_out_count": 0,
        "occurrence_count": 1,
        "flaky_rate": 1,
        "flaky_rate_lower_bound": pytest.approx(0.206549, abs=1e-6),
        "flaky_rate_upper_bound": 1,
        "finished_last_count": 2,
        "exclusive_seconds": 1500,
        "saved_if_gone_seconds": 1500,
        "jobs_listed": 3,
        "jobs_executed": 2,
        "job_queue_count": 1,
        "job_queue_p95_seconds": 4,
        "job_duration_count": 2,
        "job_duration_p50_seconds": 1050,
        "self_hosted_minutes": 15,
        "billable_minutes": None,
        "wasted_minutes": 15,
        "rerun_wasted_minutes": 15,
        "timed_out_wasted_minutes": 0,
        "estimated_cost_usd": 0,
        "is_lower_bound": False,
    }
    assert {name: test[name] for name in expected} == expected
    names = ("finished_last_count", "exclusive_seconds", "saved_if_gone_seconds")
    assert [build[name] for name in names] == [0, 300, 0]
    assert [lint[name] for name in names] == [0, 0, 0]
    assert (build["executed_run_count"], build["completed_count"]) == (2, 1)
    assert (build["latest_conclusion"], build["flaky_rate"]) == ("success", 0)


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("-job_name", ["test", "lint", "build"]),
        ("-job_queue_p95_seconds", ["test", "build", "lint"]),
        ("executed_run_count", ["lint", "test", "build"]),
        ("-flaky_rate_lower_bound", ["test", "lint", "build"]),
    ],
)
def test_jobs_come_in_the_order_that_is_asked_for(
    history: Marts, client: ValidatingClient, token: str, sort: str, expected: list[str]
) -> None:
    path = f"/workflows/11/jobs?{SINCE}&sort={sort}"
    assert [row["job_name"] for row in client.answer(path, token)["data"]] == expected
    paged: list[str] = []
    after: str | None = ""
    while after is not None:
        page = client.answer(f"{path}&limit=1{after and f'&next={after}'}", token)
        paged += [row["job_name"] for row in page["data"]]
        after = page["next"]
    assert paged == expected


def test_an_order_by_what_is_no_number_is_refused(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    for sort in ("labels", "nonsense", "--job_name"):
        response = client.get(f"/workflows/11/jobs?sort={sort}", headers=bearer(token))
        assert response.status_code == 400


def test_a_filter_chooses_the_runs_and_the_jobs(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    path = f"/workflows/11/jobs?{SINCE}"
    topic = client.answer(f"{path}&branch=topic", token)["data"]
    assert [(row["job_name"], row["executed_run_count"]) for row in topic] == [
        ("build", 1),
        ("test", 0),
    ]
    assert (topic[1]["flaky_rate"], topic[1]["flaky_rate_lower_bound"]) == (None, None)
    [gpu] = client.answer(f"{path}&runner=GPU", token)["data"]
    assert (gpu["job_name"], gpu["jobs_executed"], gpu["finished_last_count"]) == ("test", 1, 2)
    assert client.answer("/workflows/12/jobs?from=2026-02-01", token)["data"] == []


@pytest.mark.parametrize("range_", [SINCE, FROM_FACTS])
def test_jobs_are_compared_with_the_time_before(
    history: Marts, client: ValidatingClient, token: str, range_: str
) -> None:
    """In December, 20 runs of build took 100 s and two in three of test failed; the 20 of January
    take 200 s, and none fails."""
    history.connection.execute("update app.repositories set backfilled_from = '2025-01-01Z'")
    for number in range(20):
        for month, start in ((1, "2025-12-20 10:00"), (2, "2026-01-20 10:00")):
            run_id = 1000 * month + number
            history.run(run_id, 11, start)
            for place, name in enumerate(("build", "test")):
                has_failed = name == "test" and month == 1 and number % 3
                history.job(
                    10 * run_id + place,
                    run_id,
                    name=name,
                    status="completed",
                    conclusion="failure" if has_failed else "success",
                    duration_seconds=100 * month,
                )
    path = f"/workflows/11/jobs?{range_}&compare=previous"
    answer = client.answer(path, token)
    assert answer["compared"]["is_complete"] is True
    build, lint, test = answer["data"]
    assert (build["job_duration_p50_seconds"], build["is_clear"]["job_duration_p50_seconds"]) == (
        200,
        True,
    )
    before = build["previous"]
    assert (before["executed_run_count"], before["job_duration_p50_seconds"]) == (20, 100)
    assert "labels" not in before
    assert (test["previous"]["failure_count"], test["failure_count"]) == (13, 1)
    assert (test["is_clear"]["failure_count"], test["is_clear"]["success_count"]) == (True, True)
    # One occurrence in 21 runs is not clearly more than none in 20; build is executed as often.
    assert (test["is_clear"]["flaky_rate"], build["is_clear"]["executed_run_count"]) == (
        False,
        False,
    )
    assert lint["previous"]["executed_run_count"] == 0
    assert (lint["previous"]["billable_minutes"], lint["previous"]["flaky_rate"]) == (None, None)
    assert not any(lint["is_clear"].values())
    history.connection.execute("update app.repositories set backfilled_from = '2025-12-31Z'")
    history.raise_version(1)
    build, _, _ = client.answer(path, token)["data"]
    assert (build["previous"], any(build["is_clear"].values())) == (None, False)


def test_jobs_have_their_levels_where_they_are_asked_for(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    history.level_change(11, 101, "2026-01-02 10:00", (60, 90), job_name="test")
    history.level_change(11, 102, "2026-01-02 12:00", (70, 95))
    path = f"/workflows/11/jobs?{SINCE}"
    build, _, test = client.answer(f"{path}&include=levels", token)["data"]
    assert build["levels"] == []
    assert [(level["median_seconds"], level["is_current"]) for level in test["levels"]] == [
        (60, False),
        (90, True),
    ]
    assert test["levels"][1]["first_run"]["run_id"] == 101
    assert "levels" not in client.answer(path, token)["data"][0]


def test_steps_tell_which_of_them_fails(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    """Of the two executions of test, Set up took 10 and 20 s; Test failed in the first, and was
    skipped in the second; the job that was cancelled is no failure."""
    history.step(2, 1, "Set up", duration_seconds=10)
    history.step(2, 2, "Test", duration_seconds=800, conclusion="failure")
    history.step(2, 3, "Report", conclusion="skipped", duration_seconds=0)
    history.step(3, 1, "Set up", duration_seconds=20)
    history.step(3, 2, "Test", conclusion="skipped")
    history.step(1, 1, "Set up", duration_seconds=5)
    job(history, 8, 102, "test", "12:00", "12:01", "cancelled", failed_step_number=2)
    history.connection.execute("update marts.jobs set failed_step_name = 'Test' where job_id = 8")
    history.step(8, 2, "Test", duration_seconds=40, conclusion="failure")
    path = f"/workflows/11/steps?{SINCE}"
    answer = client.answer(f"{path}&job_name=test", token)
    set_up, tested, report = answer["data"]
    assert set_up == {
        "job_name": "test",
        "name": "Set up",
        "step_number": 1,
        "executed_count": 2,
        "failed_count": 0,
        "failure_share": 0,
        "duration_count": 2,
        "duration_p50_seconds": 15,
        "duration_p95_seconds": 19.5,
        "last_failure": None,
    }
    assert tested == {
        "job_name": "test",
        "name": "Test",
        "step_number": 2,
        "executed_count": 2,
        "failed_count": 2,
        "failure_share": 1,
        "duration_count": 2,
        "duration_p50_seconds": 420,
        "duration_p95_seconds": 762,
        "last_failure": {
            "run_id": 102,
            "run_number": None,
            "run_attempt": 1,
            "created_at": "2026-01-02T12:00:00Z",
            "head_sha": f"{102:040x}",
            "display_title": None,
            "actor_login": "Mona",
            "html_url": "https://github.com/runs/102",
        },
    }
    assert (report["executed_count"], report["duration_p50_seconds"]) == (0, None)
    names = [(row["job_name"], row["name"]) for row in client.answer(path, token)["data"]]
    assert names == [("build", "Set up"), *(("test", row["name"]) for row in answer["data"])]
    page = client.answer(f"{path}&limit=1", token)
    rest = client.answer(f"{path}&next={page['next']}", token)
    assert [(row["job_name"], row["name"]) for row in page["data"] + rest["data"]] == names
    [build] = client.answer(f"{path}&job_name=build", token)["data"]
    assert (build["failure_share"], build["duration_p95_seconds"]) == (None, 5)
