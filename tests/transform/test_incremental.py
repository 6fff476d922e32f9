"""A build of what changed leaves what a build of everything would."""

from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.transform import marts
from tests.transform.building import Project
from tests.transform.histories import History
from tests.transform.raw_rows import Row, load

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_builds_of_loads_in_any_order_equal_one_full_build(
    project: Project, database: psycopg.Connection[Any], seed: int
) -> None:
    for number, batch in enumerate(History(seed).batches(4)):
        load(database, f"load {number}", batch)
        project.run()
    incremental = marts.read(database)

    project.run("--full-refresh")

    assert len(incremental["jobs"]) > 50
    assert marts.read(database) == incremental
    assert marts.differences(database, *_raw_rows(database)) == []


def _raw_rows(database: psycopg.Connection[Any]) -> tuple[list[Row], list[Row]]:
    with database.cursor(row_factory=dict_row) as cursor:
        attempts = cursor.execute("select * from raw.workflow_runs").fetchall()
        return attempts, cursor.execute("select * from raw.workflow_jobs").fetchall()
