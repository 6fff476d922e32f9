"""GET /stats against statistics computed by hand."""

from itertools import combinations, islice
from typing import Any

import pytest

from api.stats import queries
from api.stats.metrics import PERCENTILES, terms, terms_by_day
from tests.api.client import ValidatingClient
from tests.api.marts import Marts

pytestmark = pytest.mark.integration

KEYS = {"repository": "repository_id", "workflow": "workflow_id", "branch": "head_branch"}


@pytest.fixture
def history(marts: Marts) -> Marts:
    """Two repositories and five days of January 2026 (the 5th is a Monday)."""
    marts.repository(1, "acme/widgets")
    marts.repository(2, "acme/Gadgets", default_branch="trunk")
    marts.workflow(11, 1, "Build")
    marts.workflow(12, 1, "Deploy")
    marts.workflow(21, 2, "Test")
    run, job = marts.run, marts.job
    run(101, 11, "2026-01-04 23:59:59", duration_seconds=10, queue_seconds=1, head_sha="a")
    run(102, 11, "2026-01-05 00:00", duration_seconds=20, queue_seconds=2, head_branch="x,y")
    run(103, 11, "2026-01-05 12:00", attempts=["failure"], duration_seconds=70, head_sha="a")
    run(
        104,
        11,
        "2026-01-06 12:00",
        attempts=["failure", "timed_out", "success"],
        duration_seconds=40,
        queue_seconds=9,
        time_to_signal_seconds=100,
        is_flaky=True,
        head_sha="b",
    )
    run(105, 11, "2026-01-06 13:00", attempts=["cancelled"], event="pull_request")
    run(106, 11, "2026-01-06 14:00", attempts=[None], actor_login="octocat")
    run(107, 12, "2026-01-06 15:00", attempts=["startup_failure"], head_branch=None)
    run(201, 21, "2026-02-01 08:00", duration_seconds=30, head_branch="trunk")
    job(
        1,
        101,
        queue_seconds=4,
        duration_seconds=61,
        billable_minutes=2,
        wasted_minutes=0,
        estimated_cost_usd=0.012,
        list_price_usd=0.012,
    )
    job(
        2,
        101,
        queue_seconds=6,
        duration_seconds=9,
        self_hosted_minutes=1,
        unknown_minutes=0,
        waste_cause="timed_out",
        wasted_minutes=1,
        list_price_usd=0.5,
    )
    job(3, 104, is_executed=False, is_carried_over=True)
    job(
        4,
        104,
        is_impossible_queue=True,
        duration_seconds=5,
        billable_minutes=1,
        run_attempt=3,
        waste_cause="rerun",
        wasted_minutes=1,
    )
    job(5, 104, is_impossible_duration=True, queue_seconds=11)
    job(6, 201, queue_seconds=1, duration_seconds=1, billable_minutes=1)
    marts.add_up_days()
    return marts


def data(client: ValidatingClient, token: str, path: str) -> Any:
    return client.answer(path, token)["data"]


def test_a_commit_is_that_of_each_attempt(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    # As by day: what nobody told of the newest attempt, the earlier ones still say.
    history.run(301, 12, "2025-06-01 10:00", attempts=["failure", "success", "cancelled"])
    history.connection.execute(
        """
        update marts.workflow_run_attempts set head_sha = null
        where run_id = 301 and run_attempt = 3
        """
    )
    history.connection.execute("update marts.workflow_runs set head_sha = null where run_id = 301")
    found = data(client, token, "/stats?from=2025-06-01&to=2025-06-01")
    assert (found["flaky_commit_count"], found["flaky_commit_latest_count"]) == (1, 0)


def test_who_asks_for_ever_other_terms_takes_no_memory_for_ever() -> None:
    for names in islice(combinations(terms(), 2), queries.KEPT_CHOICES + 50):
        queries._columns(names)
        queries._formulas(names, "runs", is_by_day=False)
        queries._columns_of_days(names, "days")
    for kept in (
        queries._needs,
        queries._columns,
        queries._formulas,
        queries._columns_of_days,
    ):
        assert kept.cache_info().currsize <= queries.KEPT_CHOICES


def test_every_term_of_a_range(history: Marts, client: ValidatingClient, token: str) -> None:
    statistics = data(client, token, "/stats?workflow=11&from=2025-01-01")
    assert {name: value for name, value in statistics.items() if not name.endswith("_seconds")} == {
        "run_count": 6,
        "completed_count": 5,
        "success_count": 3,
        "failure_count": 1,
        "cancelled_count": 1,
        "skipped_count": 0,
        "neutral_count": 0,
        "timed_out_count": 0,
        "action_required_count": 0,
        "stale_count": 0,
        "startup_failure_count": 0,
        "other_conclusion_count": 0,
        "decisive_count": 4,
        "success_rate": 3 / 4,
        "first_attempt_success_count": 2,
        "first_attempt_decisive_count": 4,
        # first attempts: success, success, failure, failure; cancelled and running do not count
        "first_attempt_success_rate": 2 / 4,
        "success_rate_completed": 3 / 5,
        "rerun_count": 1,
        "extra_attempt_count": 2,
        "rerun_rate": 1 / 6,
        "flaky_run_count": 1,
        "flaky_commit_count": 2,
        "flaky_commit_latest_count": 1,
        "jobs_listed": 5,
        "jobs_executed": 4,
        "jobs_carried_over": 1,
        "impossible_queue_count": 1,
        "impossible_duration_count": 1,
        "billable_minutes": 3,
        "self_hosted_minutes": 1,
        "unknown_minutes": 0,
        "wasted_minutes": 2,
        "rerun_wasted_minutes": 1,
        "superseded_wasted_minutes": 0,
        "timed_out_wasted_minutes": 1,
        "cancelled_wasted_minutes": 0,
        "estimated_cost_usd": 0.012,
        "list_price_usd": 0.512,
        # job 4 has minutes and no price
        "unpriced_job_count": 1,
        "is_lower_bound": True,
        # 0.012 for three successes
        "cost_per_success_usd": 0.004,
        "success_duration_count": 3,
        "completed_duration_count": 4,
        "run_queue_count": 3,
        "time_to_signal_count": 1,
        "job_queue_count": 3,
        "job_duration_count": 3,
    }


@pytest.mark.parametrize("query", ["workflow=11", "workflow=11&to=2027-01-01"])
def test_all_history_is_told_from_days_but_for_what_is_asked_for(
    history: Marts, client: ValidatingClient, token: str, query: str
) -> None:
    """Percentiles and flaky commits of years would be sorted out of all runs and jobs there are."""
    of_range = data(client, token, "/stats?workflow=11&from=2025-01-01")
    statistics = data(client, token, f"/stats?{query}")
    assert statistics == {
        name: value
        for name, value in of_range.items()
        if not name.startswith(tuple(each.prefix for each in PERCENTILES))
        and not name.startswith("flaky_commit")
    }
    asked = "run_count,flaky_commit_count,job_queue_count,job_queue_p95_seconds"
    assert data(client, token, f"/stats?{query}&fields={asked}") == {
        name: of_range[name] for name in asked.split(",")
    }
    for table in ("workflow_runs", "jobs"):
        with history.without_column(table, "duration_seconds"):
            assert data(client, token, f"/stats?{query}") == statistics


@pytest.mark.parametrize("end", ["2026-01-06T12:30:00Z", "2026-01-05T12:00:00Z"])
def test_of_a_range_that_ends_within_a_day_only_that_day_is_read_from_facts(
    history: Marts, client: ValidatingClient, token: str, end: str
) -> None:
    fields = ",".join(terms_by_day())
    for group_by in ("", "&group_by=day,workflow"):
        query = f"to={end}&fields={fields}{group_by}"
        from_facts = data(client, token, f"/stats?from=2026-01-03T00:00:01Z&{query}")
        assert data(client, token, f"/stats?from=2026-01-03&{query}") == from_facts
    # What is known of the days before stays, whatever becomes of their facts.
    runs = data(client, token, f"/stats?from=2026-01-03&to={end}")["run_count"]
    history.connection.execute(
        "delete from marts.workflow_runs where created_at < %s::timestamptz::date", [end]
    )
    history.raise_version(1)
    assert data(client, token, f"/stats?from=2026-01-03&to={end}")["run_count"] == runs


def test_percentiles_are_interpolated_over_the_whole_range(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    statistics = data(client, token, "/stats?workflow=11&from=2025-01-01")
    percentiles = {
        prefix: [statistics[f"{prefix}_p{percent}_seconds"] for percent in (50, 75, 90, 95, 99)]
        for prefix in (
            "success_duration",
            "completed_duration",
            "run_queue",
            "time_to_signal",
            "job_queue",
            "job_duration",
        )
    }
    expected = {
        "success_duration": [20, 30, 36, 38, 39.6],  # of 10, 20, 40
        "completed_duration": [30, 47.5, 61, 65.5, 69.1],  # of 10, 20, 40, 70
        "run_queue": [2, 5.5, 7.6, 8.3, 8.86],  # of 1, 2, 9
        "time_to_signal": [100, 100, 100, 100, 100],
        "job_queue": [6, 8.5, 10, 10.5, 10.9],  # of 4, 6, 11
        "job_duration": [9, 35, 50.6, 55.8, 59.96],  # of 5, 9, 61
    }
    for prefix, values in expected.items():
        assert percentiles[prefix] == pytest.approx(values), prefix


def test_a_conclusion_that_nobody_knows_yet_is_counted_apart(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    history.run(300, 12, "2026-01-08 00:00", attempts=["brand_new"])
    history.add_up_days()
    statistics = data(client, token, "/stats?from=2026-01-08&workflow=12")
    assert (statistics["completed_count"], statistics["other_conclusion_count"]) == (1, 1)
    assert (statistics["decisive_count"], statistics["success_rate"]) == (0, None)


def test_nothing_has_counts_of_zero_and_no_rates_or_sums(
    marts: Marts, client: ValidatingClient, token: str
) -> None:
    statistics = data(client, token, "/stats")
    for name, value in statistics.items():
        counts = name.endswith("_count") or name.startswith("jobs_")
        assert value == (0 if counts else False if name == "is_lower_bound" else None), name


@pytest.mark.parametrize(
    ("query", "run_count"),
    [
        ("", 8),
        ("from=2026-01-05", 7),
        ("to=2026-01-05", 3),
        ("from=2026-01-05&to=2026-01-05", 2),
        ("from=2026-01-05T00:00:00Z&to=2026-01-05T12:00:00Z", 1),
        ("from=2026-01-05T01:00:00%2B01:00", 7),
        ("to=2026-01-05T12:00:00.000001Z", 3),
        ("to=9999-12-31", 8),
        ("repository=1", 7),
        ("repository=ACME/gadgets", 1),
        ("repository=acme/widgets,2", 8),
        ("repository=1&repository=2", 8),
        ("workflow=11&workflow=12", 7),
        ("workflow=11&repository=2", 0),
        ("branch=main", 5),
        ("branch=x,y", 1),
        ("branch=main,x,y", 5),
        ("branch=nothing,main", 5),
        ("branch=@default,nothing", 6),
        (f"branch={200 * 'b'},{200 * 'c'},main", 5),
        ("branch=@default", 6),
        ("branch=@default&branch=x,y", 7),
        ("event=pull_request", 1),
        ("event=push,pull_request", 8),
        ("status=in_progress", 1),
        ("conclusion=success", 4),
        ("conclusion=failure,cancelled", 2),
        ("conclusion=failure&status=in_progress", 0),
        ("actor=OctoCat", 1),
        ("branch='; drop table marts.jobs; --", 0),
    ],
)
def test_filters_choose_the_runs(
    history: Marts, client: ValidatingClient, token: str, query: str, run_count: int
) -> None:
    assert data(client, token, f"/stats?{query}")["run_count"] == run_count


def test_jobs_and_commits_are_those_of_the_chosen_runs(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    by_time = data(client, token, "/stats?from=2026-01-06")
    assert (by_time["jobs_listed"], by_time["flaky_commit_count"]) == (4, 1)
    since = "from=2025-01-01&conclusion"
    by_conclusion = data(client, token, f"/stats?{since}=success")
    assert (by_conclusion["jobs_listed"], by_conclusion["flaky_commit_count"]) == (6, 1)
    assert data(client, token, f"/stats?{since}=failure")["jobs_listed"] == 0
    assert data(client, token, f"/stats?{since}=failure")["flaky_commit_count"] == 0


@pytest.mark.parametrize(
    ("group_by", "expected"),
    [
        ("repository", [((1,), 7, 5, 2), ((2,), 1, 1, 0)]),
        ("workflow", [((11,), 6, 5, 2), ((12,), 1, 0, 0), ((21,), 1, 1, 0)]),
        (
            "day",
            [
                (("2025-12-31",), 0, 0, 0),
                (("2026-01-01",), 0, 0, 0),
                (("2026-01-02",), 0, 0, 0),
                (("2026-01-03",), 0, 0, 0),
                (("2026-01-04",), 1, 2, 0),
                (("2026-01-05",), 2, 0, 0),
                (("2026-01-06",), 4, 3, 1),
                (("2026-01-07",), 0, 0, 0),
            ],
        ),
        (
            "week",
            [
                (("2025-12-29",), 1, 2, 0),
                (("2026-01-05",), 6, 3, 1),
                (("2026-01-12",), 0, 0, 0),
                (("2026-01-19",), 0, 0, 0),
                (("2026-01-26",), 1, 1, 0),
            ],
        ),
        ("month", [(("2026-01-01",), 7, 5, 2), (("2026-02-01",), 1, 1, 0)]),
        (
            "branch",
            [((None,), 1, 0, 0), (("main",), 5, 5, 2), (("trunk",), 1, 1, 0), (("x,y",), 1, 0, 0)],
        ),
        ("event", [(("pull_request",), 1, 0, 0), (("push",), 7, 6, 2)]),
        (
            "month,workflow",
            [
                (("2026-01-01", 11), 6, 5, 2),
                (("2026-01-01", 12), 1, 0, 0),
                (("2026-01-01", 21), 0, 0, 0),
                (("2026-02-01", 11), 0, 0, 0),
                (("2026-02-01", 12), 0, 0, 0),
                (("2026-02-01", 21), 1, 1, 0),
            ],
        ),
    ],
)
def test_groups_carry_their_key_in_order_and_pages_of_one_walk_them_all_once(
    history: Marts,
    client: ValidatingClient,
    token: str,
    group_by: str,
    expected: list[tuple[Any, ...]],
) -> None:
    def shape(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
        return [
            (
                tuple(row[KEYS.get(name, name)] for name in group_by.split(",")),
                row["run_count"],
                row["jobs_listed"],
                row["flaky_commit_count"],
            )
            for row in rows
        ]

    bounds = "&from=2025-12-31&to=2026-01-07" if group_by == "day" else ""
    fields = "run_count,jobs_listed,flaky_commit_count"
    path = f"/stats?group_by={group_by}&fields={fields}{bounds}"
    whole = client.answer(path, token)
    assert shape(whole["data"]) == expected
    assert whole["next"] is None
    assert whole["filter"]["group_by"] == group_by.split(",")

    walked, after = [], ""
    while True:
        page = client.answer(f"{path}&limit=1{after}", token)
        walked += page["data"]
        if page["next"] is None:
            break
        after = f"&next={page['next']}"
    assert walked == whole["data"]


def test_a_group_has_the_same_numbers_as_its_filter(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    for group in data(client, token, "/stats?group_by=workflow_id"):
        workflow, repository = group.pop("workflow_id"), group.pop("repository_id")
        names = group.pop("workflow_name"), group.pop("repository_full_name")
        assert names in (
            ("Build", "acme/widgets"),
            ("Deploy", "acme/widgets"),
            ("Test", "acme/Gadgets"),
        )
        path = f"/stats?workflow={workflow}&repository={repository}"
        assert group == data(client, token, path)


def test_the_answer_echoes_the_filter_as_it_was_understood(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    query = "from=2026-01-01&to=2026-02-01T00:00:00Z&repository=acme/gadgets&branch=@default"
    assert client.answer(f"/stats?{query}&actor=Mona", token)["filter"] == {
        "from": "2026-01-01",
        "to": "2026-02-01T00:00:00Z",
        "repository": [2],
        "branch": ["@default"],
        "actor": ["Mona"],
    }
