"""GET /costs and /costs/unpriced against answers by hand."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from api.costs.queries import open_month, project
from api.filters import RunFilter
from tests.api.client import ValidatingClient, bearer
from tests.api.marts import Marts, moment

RANGE = "from=2026-01-08&to=2026-01-14"


@pytest.fixture
def history(marts: Marts) -> Marts:
    """Three runs of two workflows; a job of the first runs a week after its run was created."""
    marts.repository(1, "acme/widgets", backfilled_from="2025-01-01Z")
    marts.workflow(11, 1, "Build")
    marts.workflow(12, 1, "Deploy")
    marts.run(101, 11, "2026-01-02 10:00", actor_login="octocat")
    marts.run(102, 11, "2026-01-08 10:00")
    marts.run(103, 12, "2026-01-09 10:00", event="schedule")
    job(marts, 1, 101, "2026-01-02 10:00", billable_minutes=5, cost=0.5)
    job(marts, 2, 101, "2026-01-09 23:59:59", billable_minutes=2, cost=0.2, name="late")
    job(marts, 3, 102, "2026-01-08 10:00", billable_minutes=10, cost=1, list_price=1.5)
    job(
        marts,
        4,
        102,
        "2026-01-08 10:00",
        billable_minutes=4,
        cost=0.4,
        waste_cause="rerun",
        wasted_minutes=4,
    )
    job(
        marts,
        5,
        103,
        "2026-01-09 10:00",
        unknown_minutes=7,
        cost=None,
        runner_class="unknown",
        labels=["Huge", "acme"],
        waste_cause="cancelled",
        wasted_minutes=0,
        name="deploy",
    )
    job(marts, 6, 103, "2026-01-15 00:00", billable_minutes=100, cost=10)
    job(marts, 7, 103, "2026-01-09 11:00", is_executed=False, cost=None, cost_day=None)
    return marts


def job(
    marts: Marts,
    job_id: int,
    run_id: int,
    started_at: str,
    cost: float | None,
    list_price: float | None = None,
    **values: Any,
) -> None:
    start = moment(started_at)
    marts.job(
        job_id,
        run_id,
        **{
            "name": "build",
            "started_at": start,
            "cost_day": start.date(),
            "runner_class": "linux",
            "labels": ["ubuntu-latest"],
            "billable_minutes": 0,
            "self_hosted_minutes": 0,
            "unknown_minutes": 0,
            "wasted_minutes": 0,
            "estimated_cost_usd": cost,
            "list_price_usd": cost if list_price is None else list_price,
            **values,
        },
    )


@pytest.mark.integration
def test_costs_are_of_the_jobs_that_began_in_the_range(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    assert client.answer(f"/costs?{RANGE}", token)["data"] == {
        "run_count": 3,
        "job_count": 4,
        "billable_minutes": 16,
        "self_hosted_minutes": 0,
        "unknown_minutes": 7,
        "estimated_cost_usd": pytest.approx(1.6),
        "list_price_usd": pytest.approx(2.1),
        "unpriced_job_count": 1,
        "is_lower_bound": True,
        "wasted_minutes": 4,
        "rerun_wasted_minutes": 4,
        "superseded_wasted_minutes": 0,
        "timed_out_wasted_minutes": 0,
        "cancelled_wasted_minutes": 0,
        "rerun_wasted_usd": pytest.approx(0.4),
        "superseded_wasted_usd": 0,
        "timed_out_wasted_usd": 0,
        # One job was cancelled, and nobody knows its price.
        "cancelled_wasted_usd": None,
        "projection": None,
    }


@pytest.mark.integration
def test_over_nothing_only_counts_are_0_whole_and_by_group(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    nothing = "from=2025-06-02&to=2025-06-02"
    whole = client.answer(f"/costs?{nothing}", token)["data"]
    [group] = client.answer(f"/costs?{nothing}&group_by=day", token)["data"]
    assert {name for name, value in whole.items() if value is not None} == {
        "run_count",
        "job_count",
        "unpriced_job_count",
        "is_lower_bound",
    }
    assert {**whole, "day": "2025-06-02"} == group


@pytest.mark.integration
@pytest.mark.parametrize(
    ("query", "cost"),
    [
        ("actor=octocat", 0.2),
        ("workflow=12", None),
        ("job_name=late", 0.2),
        ("runner=Ubuntu-Latest", 1.6),
        ("event=push", 1.6),
        ("from=2026-01-09T23:59:59Z&to=2026-01-10T00:00:00Z", 0.2),
        ("from=2026-01-09T00:00:00Z&to=2026-01-09T23:59:59Z", None),
    ],
)
def test_filters_choose_runs_and_jobs(
    history: Marts, client: ValidatingClient, token: str, query: str, cost: float | None
) -> None:
    bounds = query if "from" in query else f"{RANGE}&{query}"
    found = client.answer(f"/costs?{bounds}", token)["data"]["estimated_cost_usd"]
    assert found == (None if cost is None else pytest.approx(cost))


@pytest.mark.integration
@pytest.mark.parametrize(
    ("group_by", "keys", "expected"),
    [
        (
            "day",
            ("day",),
            {
                ("2026-01-08",): 1.4,
                ("2026-01-09",): 0.2,
                **{(f"2026-01-{day}",): None for day in range(10, 15)},
            },
        ),
        ("week", ("week",), {("2026-01-05",): 1.6, ("2026-01-12",): None}),
        ("month", ("month",), {("2026-01-01",): 1.6}),
        (
            "workflow",
            ("workflow_id", "workflow_name", "repository_full_name"),
            {(11, "Build", "acme/widgets"): 1.6, (12, "Deploy", "acme/widgets"): None},
        ),
        ("repository", ("repository_id",), {(1,): 1.6}),
        ("runner_class", ("runner_class",), {("linux",): 1.6, ("unknown",): None}),
        ("runner", ("runner",), {("acme",): None, ("huge",): None, ("ubuntu-latest",): 1.6}),
        ("job_name", ("job_name",), {("build",): 1.4, ("deploy",): None, ("late",): 0.2}),
        ("event", ("event",), {("push",): 1.6, ("schedule",): None}),
        ("actor", ("actor_login",), {("Mona",): 1.4, ("octocat",): 0.2}),
        ("branch", ("head_branch",), {("main",): 1.6}),
        ("conclusion", ("conclusion",), {("success",): 1.6}),
        (
            "week,runner_class",
            ("week", "runner_class"),
            {
                ("2026-01-05", "linux"): 1.6,
                ("2026-01-05", "unknown"): None,
                ("2026-01-12", "linux"): None,
                ("2026-01-12", "unknown"): None,
            },
        ),
    ],
)
def test_groups_are_of_runs_jobs_and_days(
    history: Marts,
    client: ValidatingClient,
    token: str,
    group_by: str,
    keys: tuple[str, ...],
    expected: dict[tuple[Any, ...], float | None],
) -> None:
    path = f"/costs?{RANGE}&group_by={group_by}"
    rows = client.answer(path, token)["data"]
    assert {
        tuple(row[key] for key in keys): row["estimated_cost_usd"] for row in rows
    } == pytest.approx(expected)
    walked, after = [], ""
    while True:
        page = client.answer(f"{path}&limit=1&sort=-estimated_cost_usd{after}", token)
        walked += page["data"]
        if page["next"] is None:
            break
        after = f"&next={page['next']}"
    assert len(walked) == len(rows)
    costs = [row["estimated_cost_usd"] or 0 for row in walked]
    assert costs == sorted(costs, reverse=True)


@pytest.mark.integration
def test_hours_of_the_week_are_those_in_which_jobs_began(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    rows = client.answer(f"/costs?{RANGE}&group_by=hour_of_week&limit=500", token)["data"]
    assert len(rows) == 168
    found = {row["hour_of_week"]: row["job_count"] for row in rows if row["job_count"]}
    # Thursday 10, Friday 10 and 23.
    assert found == {3 * 24 + 10: 2, 4 * 24 + 10: 1, 4 * 24 + 23: 1}


@pytest.mark.integration
def test_costs_are_compared_with_the_days_before(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    answer = client.answer(f"/costs?{RANGE}&compare=previous", token)
    assert answer["data"]["previous"]["estimated_cost_usd"] == 0.5
    assert answer["data"]["is_clear"]["estimated_cost_usd"] is False  # too few runs
    assert answer["compared"]["to"] == "2026-01-08T00:00:00Z"
    rows = client.answer(f"/costs?{RANGE}&compare=previous&group_by=day", token)["data"]
    assert [row["previous"]["estimated_cost_usd"] for row in rows] == [None, 0.5, *[None] * 5]
    assert [row["previous"]["job_count"] for row in rows] == [0, 1, *[0] * 5]
    [build, deploy] = client.answer(f"/costs?{RANGE}&compare=previous&group_by=workflow", token)[
        "data"
    ]
    assert (build["previous"]["job_count"], deploy["previous"]["job_count"]) == (1, 0)


@pytest.mark.integration
def test_waste_over_nothing_is_unknown(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    # A day without jobs, and one whose only job still runs.
    unknown = dict.fromkeys(("billable", "self_hosted", "unknown", "wasted"))
    minutes = {f"{kind}_minutes": value for kind, value in unknown.items()}
    job(history, 90, 101, "2026-02-02 10:00", cost=None, **minutes)
    for day, count in (("2026-02-01", 0), ("2026-02-02", 1)):
        data = client.answer(f"/costs?from={day}&to={day}", token)["data"]
        assert data["job_count"] == count
        assert {data[name] for name in data if "wasted" in name} == {None}


@pytest.mark.integration
def test_what_has_no_price_is_told_by_its_labels(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    job(history, 8, 103, "2026-01-09 12:00", billable_minutes=3, cost=None)
    path = f"/costs/unpriced?{RANGE}"
    expected = [
        {"labels": ["acme", "huge"], "runner_class": "unknown", "job_count": 1, "minutes": 7},
        {"labels": ["ubuntu-latest"], "runner_class": "linux", "job_count": 1, "minutes": 3},
    ]
    assert client.answer(path, token)["data"] == expected
    first = client.answer(f"{path}&limit=1", token)
    assert client.answer(f"{path}&limit=1&next={first['next']}", token)["data"] == expected[1:]
    text = client.get(path, headers={**bearer(token), "Accept": "text/csv"}).text
    assert text.splitlines()[1] == "acme;huge,unknown,1,7"


@pytest.mark.integration
def test_groups_are_needed_to_sort_and_page(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    for query in ("sort=job_count", "group_by=day&sort=success_rate", "group_by=labels"):
        assert client.get(f"/costs?{query}", headers=bearer(token)).status_code == 400


@pytest.mark.integration
def test_a_month_that_is_not_over_has_a_projection(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    first = datetime.now(UTC).date().replace(day=1)
    projection = client.answer(f"/costs?from={first}", token)["data"]["projection"]
    assert projection["until"] == str(
        (first + timedelta(days=32)).replace(day=1) - timedelta(days=1)
    )
    later = f"/costs?from={first + timedelta(days=1)}&to=2999-01-01"
    assert client.answer(later, token)["data"]["projection"] is None


@pytest.mark.integration
def test_groups_of_a_month_that_is_not_over_have_projections_of_their_own(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    """All was spent today: on the first day of a month nobody knows its pace, later a day without
    costs is one."""
    today = datetime.now(UTC).date()
    first = today.replace(day=1)
    until = str((first + timedelta(days=32)).replace(day=1) - timedelta(days=1))
    for job_id, run_id, cost in ((8, 103, 2), (9, 102, 5)):
        job(history, job_id, run_id, f"{today} 00:00", cost=cost)

    def projections(query: str, key: str) -> dict[Any, Any]:
        rows = client.answer(f"/costs?{query}", token)["data"]
        return {row[key]: row["projection"] for row in rows}

    def costs(cost: float) -> dict[str, Any]:
        return {"until": until, "estimated_cost_usd": None if today == first else cost}

    assert projections(f"from={first}&group_by=workflow", "workflow_id") == {
        11: costs(5),
        12: costs(2),
    }
    by_month = projections(f"from=2026-01-01&group_by=month&event=push&to={today}", "month")
    assert by_month.pop(str(first)) == costs(5)
    assert set(by_month.values()) <= {None}
    assert set(projections(f"from={first}&group_by=day", "day").values()) == {None}
    assert set(projections(f"{RANGE}&group_by=workflow", "workflow_id").values()) == {None}


def test_a_projection_takes_the_elapsed_days_of_the_same_weekday() -> None:
    # The 1st of June 2026 is a Monday.
    month = date(2026, 6, 1), date(2026, 6, 30)
    today = date(2026, 6, 9)  # the second Tuesday
    spent = {date(2026, 6, 1): 10.0, date(2026, 6, 2): 2.0, date(2026, 6, 8): 20.0, today: 5.0}
    # 32 until yesterday; 5 today, since it is more than 2; two more Tuesdays and the 30th of 2;
    # three Mondays of 15, on average.
    assert project(spent, month, today) == 32 + 5 + 3 * 2 + 3 * 15
    # After a single day all weekdays are like it.
    assert project({month[0]: 10.0}, month, date(2026, 6, 2)) == 10 + 29 * 10
    assert project({}, month, date(2026, 6, 1)) is None
    assert project({}, month, today) == 0


@pytest.mark.parametrize(
    ("start", "end", "is_open"),
    [
        ("2026-06-01", None, True),
        ("2026-06-01", "2026-06-10", True),
        ("2026-06-01", "2026-07-01", True),
        ("2026-06-01", "2026-07-02", False),
        ("2026-06-01", "2026-06-09", False),
        ("2026-06-02", None, False),
        ("2026-05-01", "2026-07-01", False),
    ],
)
def test_a_month_is_open_while_it_lasts(start: str, end: str | None, is_open: bool) -> None:
    values = {"from": moment(start), **({"to": moment(end)} if end else {})}
    month = open_month(RunFilter((), values, {}), date(2026, 6, 9))
    assert month == ((date(2026, 6, 1), date(2026, 6, 30)) if is_open else None)
