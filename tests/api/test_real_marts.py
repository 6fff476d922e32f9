"""The API over the marts that dbt builds: its daily groups are the daily mart's rows."""

from decimal import Decimal
from typing import Any

import pytest
from psycopg.rows import dict_row

from actionsight.api_tokens import create_token
from actionsight.database import connect
from api.stats import metrics
from tests.api.client import ValidatingClient

pytestmark = pytest.mark.integration

METRICS = [metric.name for metric in metrics.METRICS]


@pytest.fixture
def database_url(history_database_url: str) -> str:
    return history_database_url


def pages(client: ValidatingClient, token: str, path: str) -> list[dict[str, Any]]:
    """The groups that have runs, from the most of them on."""
    rows: list[dict[str, Any]] = []
    after = ""
    while True:
        page = client.answer(f"{path}&limit=500{after}", token)
        rows += [row for row in page["data"] if row["run_count"]]
        if page["next"] is None or not page["data"][-1]["run_count"]:
            return rows
        after = f"&next={page['next']}"


def test_daily_groups_are_the_daily_mart_and_every_route_answers(
    client: ValidatingClient, database_url: str
) -> None:
    with connect(database_url, autocommit=True) as connection:
        token = create_token(connection, "test")[1]
        with connection.cursor(row_factory=dict_row) as cursor:
            stored = {
                (str(row["day"]), row["repository_id"], row["workflow_id"]): {
                    name: float(row[name]) if isinstance(row[name], Decimal) else row[name]
                    for name in METRICS
                }
                for row in cursor.execute("select * from marts.workflow_statistics_by_day")
            }
    # A range of whole days is answered by that table, any other by the runs and jobs themselves.
    for begin in ("", "&from=2008-01-01", "&from=2008-01-01T00:00:01Z"):
        fields = f"&fields={','.join(METRICS)}"
        path = f"/stats?group_by=workflow,day{begin}&sort=-run_count{fields}"
        answered = pages(client, token, path)
        computed = {
            (row["day"], row["repository_id"], row["workflow_id"]): {
                name: row[name] for name in METRICS
            }
            for row in answered
        }
        assert computed.keys() == stored.keys()
        for key, expected in stored.items():
            # The mart keeps costs to a millionth.
            assert computed[key] == pytest.approx(expected, abs=5e-7), (begin, key)
    assert len(stored) > 5

    assert client.get("/readyz").status_code == 200
    repositories = client.answer("/repositories", token)["data"]
    assert sum(row["run_count"] for row in repositories) == sum(
        row["run_count"] for row in answered
    )
    for workflow in client.answer("/workflows", token)["data"]:
        path = f"/workflows/{workflow['workflow_id']}?repository={workflow['repository_id']}"
        path += "&branch=@default&event=push"
        assert client.answer(path, token)["data"]["latest_run"] == workflow["latest_run"]


def test_health_flakiness_costs_and_runners_agree_with_their_marts(
    client: ValidatingClient, database_url: str
) -> None:
    with connect(database_url, autocommit=True) as connection:
        token = create_token(connection, "test")[1]
        with connection.cursor(row_factory=dict_row) as cursor:
            [stored] = cursor.execute(
                """
                select
                    (select count(*) from marts.flaky_job_occurrences) as occurrences,
                    (select sum(estimated_cost_usd)::float8 from marts.cost_by_day) as cost,
                    (select sum(job_count)::bigint from marts.cost_by_day) as jobs_with_cost,
                    (select count(*) from marts.jobs where not is_carried_over) as jobs,
                    (select count(*) from marts.branch_health_intervals) as intervals,
                    (
                        select count(*) from marts.branch_health_intervals where ended_at is null
                    ) as red_branches
                """
            )
    always = "from=2008-01-01&limit=500"

    def rows(path: str) -> list[dict[str, Any]]:
        answer = client.answer(path, token)
        assert answer["next"] is None
        found: list[dict[str, Any]] = answer["data"]
        return found

    flaky = rows(f"/flaky-jobs?{always}")
    assert sum(row["occurrence_count"] for row in flaky) == stored["occurrences"]
    assert len(rows(f"/flaky-jobs/occurrences?{always}")) == stored["occurrences"]
    costs = client.answer("/costs?from=0001-01-01", token)[
        "data"
    ]  # some began in no year that can be
    assert costs["estimated_cost_usd"] == pytest.approx(stored["cost"])
    assert costs["job_count"] == stored["jobs_with_cost"]
    assert sum(row["job_count"] for row in rows(f"/runners?{always}")) == stored["jobs"]
    assert len(rows(f"/branches/health?{always}&state=red")) == stored["red_branches"]
    assert len(rows(f"/branches/health/intervals?{always}")) == stored["intervals"]
    for path in ("/costs/unpriced", "/runners/hours", "/runners/names", "/changes"):
        client.answer(f"{path}?from=2008-01-01", token)
    client.answer("/runners/now", token)
