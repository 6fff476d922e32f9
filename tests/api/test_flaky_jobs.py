"""GET /flaky-jobs and /flaky-jobs/occurrences against answers by hand."""

from typing import Any

import pytest

from api.stats.intervals import wilson
from tests.api.client import ValidatingClient, bearer
from tests.api.marts import Marts

pytestmark = pytest.mark.integration

RANGE = "from=2026-01-05&to=2026-01-18"  # two weeks, from a Monday on


@pytest.fixture
def history(marts: Marts) -> Marts:
    """`test` flaky in 4 of 12 runs, before in 1 of 12; `once` in 1 of 2; `steady` never."""
    marts.repository(1, "acme/widgets", backfilled_from="2025-01-01Z")
    marts.workflow(11, 1, "Build")
    for number in range(24):
        day = f"2026-01-{number + 5:02}" if number < 12 else f"2025-12-{22 + number % 10:02}"
        run_id = 100 + number
        is_flaky = number in (0, 1, 4, 8, 12)
        marts.run(
            run_id,
            11,
            f"{day} 10:00",
            attempts=["failure", "success"] if is_flaky else ["success"],
            head_sha=f"{number:040x}",
            actor_login="mona" if number == 0 else "octocat",
        )
        job = {"name": "test", "status": "completed", "labels": ["Ubuntu-Latest"]}
        if is_flaky:
            marts.job(
                run_id * 10,
                run_id,
                conclusion="failure",
                failed_step_number=3,
                failed_step_name="flaky step" if number != 8 else "other step",
                runner_name=f"runner {number % 2}",
                html_url=f"https://github.com/jobs/{run_id}0",
                **job,
            )
        marts.job(
            run_id * 10 + 1, run_id, run_attempt=2 if is_flaky else 1, conclusion="success", **job
        )
        if is_flaky:
            marts.flaky_job(
                run_id * 10,
                run_id * 10 + 1,
                lost_seconds=60 + number,
                flaky_wasted_minutes=2,
                flaky_cost_usd=0.25,
            )
        marts.job(run_id * 10 + 2, run_id, name="steady", status="completed", conclusion="success")
    for number, job_id in ((0, 1), (1, 3)):
        once = {"name": "once", "status": "completed"}
        if number == 0:
            marts.job(job_id, 100, conclusion="timed_out", **once)
        marts.job(job_id + 1, 100 + number, run_attempt=2, conclusion="success", **once)
    marts.flaky_job(1, 2)
    marts.add_up_job_days()
    return marts


def test_between_marts_an_occurrence_counts_with_its_run(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    """A build commits mart by mart: occurrences before the days that count their runs."""
    history.connection.execute("delete from marts.job_statistics_by_day where day > '2026-01-05'")
    [row, *_] = data(client, token, f"/flaky-jobs?{RANGE}&job_name=test")
    assert (row["occurrence_count"], row["executed_run_count"], row["flaky_rate"]) == (4, 4, 1)
    assert row["flaky_rate_lower_bound"] < row["flaky_rate_upper_bound"] == 1
    assert client.answer(f"/changes?{RANGE}", token)["data"] is not None


def data(client: ValidatingClient, token: str, path: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = client.answer(path, token)["data"]
    return rows


def test_a_flaky_job_has_its_rate_and_its_evidence(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    answer = client.answer(f"/flaky-jobs?{RANGE}", token)
    once, test = sorted(answer["data"], key=lambda row: row["job_name"])
    lower, upper = wilson(4, 12) or (0, 0)
    assert (test["occurrence_count"], test["executed_run_count"]) == (4, 12)
    assert test["flaky_rate"] == 4 / 12
    assert test["flaky_rate_lower_bound"] == pytest.approx(lower)
    assert test["flaky_rate_upper_bound"] == pytest.approx(upper)
    # 60 + 0, 60 + 1, 60 + 4, 60 + 8
    assert (test["lost_seconds"], test["flaky_wasted_minutes"], test["flaky_cost_usd"]) == (
        253,
        8,
        1.0,
    )
    assert test["by_week"] == [
        {"week": "2026-01-05", "occurrence_count": 3, "executed_run_count": 7},
        {"week": "2026-01-12", "occurrence_count": 1, "executed_run_count": 5},
    ]
    assert (test["first_occurrence"]["run_id"], test["last_occurrence"]["run_id"]) == (100, 108)
    assert test["first_occurrence"]["run_attempt"] == 1
    assert test["steps"] == [
        {"step_number": 3, "name": "flaky step", "occurrence_count": 3},
        {"step_number": 3, "name": "other step", "occurrence_count": 1},
    ]
    assert test["runners"] == [
        {"runner_name": "runner 0", "occurrence_count": 3},
        {"runner_name": "runner 1", "occurrence_count": 1},
    ]
    assert (once["occurrence_count"], once["executed_run_count"]) == (1, 2)
    assert (once["lost_seconds"], once["steps"], once["flaky_cost_usd"]) == (None, [], None)
    # Beside it: the commits of the four re-run runs.
    assert answer["flaky_commit_count"] == 4


def test_the_surest_comes_first_and_pages_of_one_walk_them_all(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    for sort, expected in (
        ("", ["test", "once"]),
        ("&sort=-flaky_rate", ["once", "test"]),
        ("&sort=occurrence_count", ["once", "test"]),
        ("&sort=-lost_seconds", ["test", "once"]),
        ("&sort=flaky_cost_usd", ["test", "once"]),
    ):
        walked, after = [], ""
        while True:
            page = client.answer(f"/flaky-jobs?{RANGE}{sort}&limit=1{after}", token)
            walked += [row["job_name"] for row in page["data"]]
            if page["next"] is None:
                break
            after = f"&next={page['next']}"
        assert walked == expected, sort


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("job_name=test", {"test": (4, 12)}),
        ("job_name=steady", {}),
        ("runner=UBUNTU-latest", {"test": (4, 12)}),
        ("actor=mona", {"test": (1, 1), "once": (1, 1)}),
        ("from=2026-01-05T00:00:01Z", {"test": (4, 12), "once": (1, 2)}),
        ("workflow=11&repository=acme/widgets", {"test": (4, 12), "once": (1, 2)}),
    ],
)
def test_filters_choose_runs_and_jobs(
    history: Marts,
    client: ValidatingClient,
    token: str,
    query: str,
    expected: dict[str, tuple[int, int]],
) -> None:
    bounds = "to=2026-01-18" if "from" in query else RANGE
    found = {
        row["job_name"]: (row["occurrence_count"], row["executed_run_count"])
        for row in data(client, token, f"/flaky-jobs?{bounds}&{query}")
    }
    assert found == expected


def test_a_job_is_compared_with_itself_before_flaky_then_or_not(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    answer = client.answer(f"/flaky-jobs?{RANGE}&compare=previous", token)
    test, once = answer["data"]
    assert answer["compared"]["from"] == "2025-12-22T00:00:00Z"
    assert (test["previous"]["occurrence_count"], test["previous"]["executed_run_count"]) == (1, 12)
    assert test["previous"]["flaky_rate"] == 1 / 12
    assert test["is_clear"]["flaky_rate"] is False
    assert once["previous"]["occurrence_count"] == 0
    assert once["previous"]["flaky_rate"] is None


def test_occurrences_are_listed_newest_run_first(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    path = f"/flaky-jobs/occurrences?{RANGE}&workflow=11"
    rows = data(client, token, path)
    assert [(row["run_id"], row["job_name"]) for row in rows[:2]] == [(108, "test"), (104, "test")]
    assert {(row["run_id"], row["job_name"]) for row in rows[3:]} == {(100, "test"), (100, "once")}
    assert rows[0]["failed_job_html_url"] == "https://github.com/jobs/1080"
    assert (rows[0]["failed_step_name"], rows[0]["failed_runner_name"]) == (
        "other step",
        "runner 0",
    )
    assert (rows[0]["failed_attempt"], rows[0]["passed_attempt"]) == (1, 2)
    [one] = data(client, token, f"{path}&job_name=once")
    assert (one["failed_conclusion"], one["run_id"]) == ("timed_out", 100)
    walked, after = [], ""
    while True:
        page = client.answer(f"{path}&limit=1{after}", token)
        walked += page["data"]
        if page["next"] is None:
            break
        after = f"&next={page['next']}"
    assert walked == rows
    text = client.get(path, headers={**bearer(token), "Accept": "text/csv"}).text
    assert len(text.splitlines()) == 6


def test_a_range_of_which_nobody_could_read_the_weeks_is_refused(
    marts: Marts, client: ValidatingClient, token: str
) -> None:
    for query, name in (("from=0001-01-01&to=9999-12-31", "from"), ("to=9999-12-31", "to")):
        response = client.get(f"/flaky-jobs?{query}", headers=bearer(token))
        assert response.status_code == 400
        assert response.get_json()["errors"][0]["parameter"] == name


@pytest.mark.parametrize("end", ["2026-01-13T09:00:00Z", "2026-01-13T11:00:00Z"])
def test_of_a_range_that_ends_within_a_day_days_and_jobs_add_up(
    history: Marts, client: ValidatingClient, token: str, end: str
) -> None:
    by_days = data(client, token, f"/flaky-jobs?from=2026-01-05&to={end}")
    assert by_days == data(client, token, f"/flaky-jobs?from=2026-01-05T00:00:01Z&to={end}")
    test = next(row for row in by_days if row["job_name"] == "test")
    is_late = end.endswith("11:00:00Z")  # the ninth run, which is flaky, began at 10:00
    assert (test["occurrence_count"], test["executed_run_count"]) == ((4, 9) if is_late else (3, 8))
