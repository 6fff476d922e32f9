"""The API over the marts that dbt builds: its daily groups are the daily mart's rows."""

from decimal import Decimal

import pytest
from psycopg.rows import dict_row

from actionsight.api_tokens import create_token
from actionsight.database import connect
from api.stats.metrics import COMMIT_METRICS, JOB_METRICS, RUN_METRICS
from tests.api.client import ValidatingClient
from tests.support.dbt_project import Project
from tests.transform.history_generator import WORKFLOWS, History
from tests.transform.raw_rows import load

pytestmark = pytest.mark.integration

METRICS = [metric.name for metric in (*RUN_METRICS, *COMMIT_METRICS, *JOB_METRICS)]


@pytest.fixture
def database_url(dbt_database_url: str) -> str:
    """A database with marts that dbt built from a random history."""
    with connect(dbt_database_url) as connection:
        for number, rows in enumerate(History(seed=7).batches(1)):
            load(connection, f"load-{number}", rows)
        for repository_id in set(WORKFLOWS.values()):
            connection.execute(
                "insert into app.repositories (repository_id, full_name) values (%s, %s)",
                [repository_id, f"acme/{repository_id}"],
            )
    Project().run()
    return dbt_database_url


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
    answered = client.answer("/stats?group_by=day,workflow_id&limit=500", token)["data"]
    assert {
        (row["day"], row["repository_id"], row["workflow_id"]): {
            name: row[name] for name in METRICS
        }
        for row in answered
    } == stored
    assert len(stored) > 5

    assert client.get("/readyz").status_code == 200
    repositories = client.answer("/repositories", token)["data"]
    assert sum(row["run_count"] for row in repositories) == sum(
        row["run_count"] for row in answered
    )
    for workflow in client.answer("/workflows", token)["data"]:
        path = f"/workflows/{workflow['workflow_id']}?repository={workflow['repository_id']}"
        path += "&branch=@default&event=push"
        assert client.answer(path, token)["data"]["latest_run_id"] == workflow["latest_run_id"]
