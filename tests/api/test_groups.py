"""Groups, filters and orders of GET /stats that look at jobs, people and hours."""

from typing import Any

import pytest

from tests.api.client import ValidatingClient, bearer
from tests.api.marts import Marts

pytestmark = pytest.mark.integration


@pytest.fixture
def history(marts: Marts) -> Marts:
    """Three runs: the first has two executed jobs and one that was skipped, the second one job in
    two attempts, the third none that was executed."""
    marts.repository(1, "acme/widgets")
    marts.workflow(11, 1, "Build")
    # Monday, Monday a week later, Sunday 23:30
    marts.run(1, 11, "2026-01-05 00:10", duration_seconds=100, display_title="Mend the mill")
    marts.run(
        2,
        11,
        "2026-01-12 00:50",
        attempts=["failure", "success"],
        duration_seconds=300,
        actor_login="octocat",
        is_flaky=True,
        run_number=7,
    )
    marts.run(3, 11, "2026-01-11 23:30", attempts=["skipped"], actor_login=None)
    linux, own = ["Ubuntu-latest"], ["self-hosted", "GPU", "gpu"]
    marts.job(10, 1, name="lint", labels=linux, duration_seconds=60, billable_minutes=1)
    marts.job(11, 1, name="test", labels=own, duration_seconds=90, self_hosted_minutes=2)
    marts.job(12, 1, name="deploy", labels=linux, is_executed=False)
    marts.job(20, 2, name="test", labels=linux, duration_seconds=30, billable_minutes=1)
    marts.job(
        21, 2, name="test", labels=linux, duration_seconds=50, billable_minutes=1, run_attempt=2
    )
    marts.job(30, 3, name="test", labels=linux, is_executed=False)
    marts.add_up_days()
    return marts


def groups(client: ValidatingClient, token: str, query: str, *members: str) -> list[Any]:
    rows = client.answer(f"/stats?{query}", token)["data"]
    return [tuple(row[member] for member in members) for row in rows]


def test_by_job_name_a_run_is_in_each_group_of_which_it_executed_a_job(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    assert groups(
        client,
        token,
        "group_by=job_name&from=2025-01-01",
        "job_name",
        "run_count",
        "jobs_listed",
        "jobs_executed",
        "billable_minutes",
        "job_duration_p50_seconds",
    ) == [("lint", 1, 1, 1, 1, 60), ("test", 2, 3, 3, 2, 50)]


def test_jobs_without_a_name_are_a_group_of_their_own(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    history.connection.execute("update app.repositories set backfilled_from = '2025-01-01Z'")
    for job_id, run_id, seconds in ((13, 1, 40), (22, 2, 20)):
        history.job(job_id, run_id, duration_seconds=seconds)
    query = "group_by=job_name&from=2026-01-12&to=2026-01-18&compare=previous"
    fields = "fields=run_count,jobs_executed,job_duration_p50_seconds"
    first = client.answer(f"/stats?{query}&{fields}&limit=1", token)
    second = client.answer(f"/stats?{query}&{fields}&limit=1&next={first['next']}", token)
    assert [row["job_name"] for row in (*first["data"], *second["data"])] == [None, "test"]
    assert second["next"] is None
    [row] = first["data"]
    told = [
        tuple(each[name] for name in ("run_count", "jobs_executed", "job_duration_p50_seconds"))
        for each in (row, row["previous"])
    ]
    assert told == [(1, 1, 20), (1, 1, 40)]


def test_by_runner_a_label_counts_once_in_any_case(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    assert groups(
        client, token, "group_by=runner", "runner", "run_count", "jobs_executed", "jobs_listed"
    ) == [
        ("gpu", 1, 1, 1),
        ("self-hosted", 1, 1, 1),
        # the skipped job of run 1 asked for the label, too
        ("ubuntu-latest", 2, 3, 4),
    ]


def test_by_runner_and_job_name_a_group_is_of_jobs_that_are_both(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    assert groups(
        client,
        token,
        "group_by=runner,job_name",
        "runner",
        "job_name",
        "run_count",
        "jobs_executed",
    ) == [
        ("gpu", "test", 1, 1),
        ("self-hosted", "test", 1, 1),
        ("ubuntu-latest", "lint", 1, 1),
        ("ubuntu-latest", "test", 1, 2),
    ]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("job_name=test", (2, 3, 3)),
        ("runner=UBUNTU-latest", (2, 4, 3)),
        ("runner=gpu&job_name=test", (1, 1, 1)),
        ("runner=gpu&job_name=lint", (0, 0, 0)),
        ("job_name=lint&job_name=test", (2, 4, 4)),
        ("job_name=lint,test", (2, 4, 4)),
        ("runner=gpu,self-hosted", (1, 1, 1)),
        ("job_name=deploy", (0, 0, 0)),
        ("is_flaky=true", (1, 2, 2)),
        ("is_flaky=false", (2, 4, 2)),
        ("attempts_at_least=2", (1, 2, 2)),
        ("run_number=7", (1, 2, 2)),
        ("q=MILL", (1, 3, 2)),
        ("q=%25", (0, 0, 0)),
        (f"head_sha={2:040x}", (1, 2, 2)),
        ("head_sha=0000000", (3, 6, 4)),
        ("actor=OCTOCAT", (1, 2, 2)),
    ],
)
def test_filters_choose_runs_and_the_jobs_that_they_name(
    history: Marts, client: ValidatingClient, token: str, query: str, expected: tuple[int, ...]
) -> None:
    data = client.answer(f"/stats?{query}", token)["data"]
    assert (data["run_count"], data["jobs_listed"], data["jobs_executed"]) == expected


def test_by_actor_and_conclusion_none_is_null(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    assert groups(client, token, "group_by=actor", "actor_login", "run_count") == [
        (None, 1),
        ("Mona", 1),
        ("octocat", 1),
    ]
    assert groups(client, token, "group_by=conclusion", "conclusion", "run_count") == [
        ("skipped", 1),
        ("success", 2),
    ]


def test_by_hour_of_the_week_all_168_are_there(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    found = groups(client, token, "group_by=hour_of_week&limit=500", "hour_of_week", "run_count")
    assert [hour for hour, _ in found] == list(range(168))
    assert {hour: count for hour, count in found if count} == {0: 2, 167: 1}


@pytest.mark.parametrize("limit", [1, 2, 500])
@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("-success_duration_p95_seconds", ["octocat", "Mona", None]),
        ("success_duration_p95_seconds", ["Mona", "octocat", None]),
        ("-run_count", ["octocat", "Mona", None]),
        ("-rerun_rate", ["octocat", "Mona", None]),
        ("-jobs_listed", ["Mona", "octocat", None]),
        ("-actor_login", ["octocat", "Mona", None]),
    ],
)
def test_groups_come_in_an_order_by_any_term_and_pages_walk_it(
    history: Marts,
    client: ValidatingClient,
    token: str,
    sort: str,
    expected: list[str | None],
    limit: int,
) -> None:
    walked: list[Any] = []
    after = ""
    while True:
        path = f"/stats?group_by=actor&sort={sort}&limit={limit}{after}"
        page = client.answer(path, token)
        walked += [row["actor_login"] for row in page["data"]]
        if page["next"] is None:
            break
        after = f"&next={page['next']}"
    assert walked == expected


def test_chosen_terms_are_all_that_an_answer_has_and_no_facts_are_read_for_counts(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    with history.without_column("jobs", "duration_seconds"):
        fields = "run_count,success_rate,estimated_cost_usd,billable_minutes"
        data = client.answer(f"/stats?fields={fields}", token)["data"]
        assert list(data) == fields.split(",")
        assert (data["run_count"], data["success_rate"], data["billable_minutes"]) == (3, 1, 3)
        every = client.get("/stats?from=2025-01-01", headers=bearer(token))
        assert every.status_code == 503


def test_csv_has_what_json_has_and_no_formula(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    history.run(4, 11, "2026-01-05 01:00", actor_login="=cmd")
    history.add_up_days()
    query = "group_by=actor&fields=run_count,success_duration_p50_seconds"
    by_path = client.get(f"/stats.csv?{query}", headers=bearer(token))
    by_accept = client.get(f"/stats?{query}", headers={**bearer(token), "Accept": "text/csv"})
    assert by_path.mimetype == by_accept.mimetype == "text/csv"
    assert by_path.text == by_accept.text
    assert by_path.text.splitlines() == [
        "actor_login,run_count,success_duration_p50_seconds",
        ",1,",
        "'=cmd,1,",
        "Mona,1,100.0",
        "octocat,1,300.0",
    ]
    page = client.get(f"/stats.csv?{query}&limit=1", headers=bearer(token))
    assert "/stats.csv?" in page.headers["Link"] and 'rel="next"' in page.headers["Link"]
    refused = client.get("/stats", headers={**bearer(token), "Accept": "image/png"})
    assert (refused.status_code, refused.get_json()["type"]) == (406, "/problems/not-acceptable")


@pytest.mark.parametrize(
    "query",
    [
        "group_by=day,event,branch",
        "sort=run_count",
        "group_by=day&sort=nothing",
        "fields=nothing",
        "group_by=day&from=0001-01-01",
        "group_by=day&from=2000-01-01&to=9999-12-31",
        "group_by=week&from=2026-01-01&to=2052-02-01",
        "group_by=day&to=9999-12-31",
        "period=7d&from=2026-01-01",
        "period=0d",
        "head_sha=xyz",
        "actor=@me",
    ],
)
def test_what_cannot_be_asked_is_refused(
    history: Marts, client: ValidatingClient, token: str, query: str
) -> None:
    response = client.get(f"/stats?{query}", headers=bearer(token))
    assert response.status_code == 400
    assert response.get_json()["type"] == "/problems/invalid-parameter"
