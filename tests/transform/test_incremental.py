"""A build of what changed leaves what a build of everything would."""

from typing import Any

import psycopg
import pytest

from tests.transform import marts
from tests.transform.building import Project
from tests.transform.histories import History
from tests.transform.raw_rows import load

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
    assert marts.differences(database) == []
