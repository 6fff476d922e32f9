"""The daily mart's columns and the API's statistics have the same names."""

from api.stats.metrics import COMMIT_METRICS, JOB_METRICS, RUN_METRICS
from tests.api.marts import contracts


def test_statistics_are_called_by_the_names_that_the_daily_mart_gives_them() -> None:
    metrics = {metric.name for metric in (*RUN_METRICS, *COMMIT_METRICS, *JOB_METRICS)}
    daily = {column["name"] for column in contracts()["workflow_statistics_by_day"]["columns"]}
    # No route tells what a success costs yet.
    assert metrics == daily - {"workflow_id", "repository_id", "day", "cost_per_success_usd"}
