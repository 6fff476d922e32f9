"""The daily mart's columns and the API's statistics have the same names."""

from api.stats.metrics import METRICS
from tests.api.marts import contracts


def test_statistics_are_called_by_the_names_that_the_daily_mart_gives_them() -> None:
    metrics = {metric.name for metric in METRICS}
    daily = {column["name"] for column in contracts()["workflow_statistics_by_day"]["columns"]}
    assert metrics == daily - {"workflow_id", "repository_id", "day"}
