"""The marts that these tests make by hand have no column that the real ones lack."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from psycopg import Connection

from api.stats.metrics import COMMIT_METRICS, JOB_METRICS, RUN_METRICS
from tests.api.marts import Marts

pytestmark = pytest.mark.integration

TRANSFORM = Path(__file__).parents[2] / "transform"
MODELS = TRANSFORM / "models/marts"
# No model, but made when a build begins.
VERSIONS = {"repository_id": "bigint", "version": "bigint", "changed_at": "timestamptz"}


def columns_under_contract() -> dict[str, dict[str, str]]:
    """The type of each column of each mart, as its contract has it, without a precision."""
    return {
        model["name"]: {
            column["name"]: column["data_type"].split("(")[0] for column in model["columns"]
        }
        for path in MODELS.glob("*.yml")
        for model in yaml.safe_load(path.read_text(encoding="utf-8")).get("models", [])
    }


def test_marts_made_by_hand_are_a_part_of_the_real_ones(
    marts: Marts, connection: Connection[Any]
) -> None:
    real = columns_under_contract()
    real["data_versions"] = {**VERSIONS, "changed_at": "timestamp with time zone"}
    columns = connection.execute(
        "select table_name, column_name, data_type from information_schema.columns "
        "where table_schema = 'marts'"
    ).fetchall()
    assert columns
    for table, column, data_type in columns:
        assert real[table].get(column) == data_type, f"{table}.{column}"


def test_data_versions_are_the_table_that_a_build_begins_with() -> None:
    macros = (TRANSFORM / "macros/claims.sql").read_text(encoding="utf-8")
    definition = macros.partition("create table if not exists marts.data_versions (")[2]
    columns = definition.partition(");")[0].split(",")
    assert {name: kind for name, kind, *_ in map(str.split, columns)} == VERSIONS


def test_statistics_are_called_by_the_names_that_the_daily_mart_gives_them() -> None:
    metrics = {metric.name for metric in (*RUN_METRICS, *COMMIT_METRICS, *JOB_METRICS)}
    daily = columns_under_contract()["workflow_statistics_by_day"].keys()
    assert metrics == daily - {"workflow_id", "repository_id", "day"}
