"""The API over the marts that dbt builds: its daily groups are the daily mart's rows."""

from decimal import Decimal

import pytest
from psycopg.rows import dict_row

from actionsight.api_tokens import create_token
from actionsight.database import connect
from api.stats.metrics import COMMIT_METRICS, JOB_METRICS, RUN_METRICS
from tests.api.client import ValidatingClient

pytestmark = pytest.mark.integration

METRICS = [metric.name for metric in (*RUN_METRICS, *COMMIT_METRICS, *JOB_METRICS)]


@pytest.fixture
def database_url(history_database_url: str) -> str:
    return history_database_url


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
