"""A build of what changed leaves what a build of everything would."""

from typing import Any

import psycopg
import pytest

from tests.support.dbt_project import Project
from tests.transform import marts
from tests.transform.histories import History
from tests.transform.raw_rows import load

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("seed", [1])
def test_builds_of_loads_in_any_order_equal_one_full_build(
    project: Project, database: psycopg.Connection[Any], seed: int
) -> None:
    lost: list[int] = []
    for number, batch in enumerate(History.of(seed).batches(3)):
        lost.append(_lose_jobs(database, f"load {number}"))
        load(database, f"load {number}", batch)
        project.run()
    incremental = marts.read(database)

    # With every data test and unit test.
    project.build("--full-refresh")

    assert len(incremental["jobs"]) > 50
    assert lost[-1] > 0
    assert marts.read(database) == incremental
    assert marts.differences(database) == []


def _lose_jobs(database: psycopg.Connection[Any], load_id: str) -> int:
    """Let a load find that jobs are not there any more; gives how many."""
    return database.execute(
        """
        update raw.workflow_jobs set gone_at = now(), _dlt_load_id = %s
        where job_id %% 5 = 0 and gone_at is null
            and job_id not in (select job_id from raw.webhook_jobs)
        """,
        [load_id],
    ).rowcount
