"""A build of what changed leaves what a build of everything would, and what is defined, whatever
builds before it died of.

More cases on demand, as `make thorough` asks for:

    ACTIONSIGHT_TEST_CASES=200 pytest tests/transform/test_incremental.py
"""

import os
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.transform import marts
from tests.transform.histories import History, histories
from tests.transform.raw_rows import load
from tests.transform.rendered_builds import EmptyDatabases

pytestmark = pytest.mark.integration

CASE_COUNT = int(os.environ.get("ACTIONSIGHT_TEST_CASES", "6"))


@pytest.mark.timeout(240 + 5 * CASE_COUNT)
@settings(
    max_examples=CASE_COUNT,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    history=histories(),
    # One for each load: how many marts its build passes over before it dies, if it does.
    deaths=st.lists(st.none() | st.integers(0, len(marts.KEYS)), min_size=2, max_size=4),
)
def test_builds_of_loads_in_any_order_leave_what_a_full_refresh_makes(
    databases: EmptyDatabases, history: History, deaths: list[int | None]
) -> None:
    with databases.builds() as builds:
        for number, rows in enumerate(history.batches(len(deaths))):
            _lose_jobs(builds.database, f"load {number}")
            load(builds.database, f"load {number}", rows, commit=False)
            builds.run(dies_after=deaths[number])
        builds.run()
        incremental = marts.read(builds.database)

        builds.refresh()

        assert marts.read(builds.database) == incremental
        assert marts.differences(builds.database) == []


def _lose_jobs(database: psycopg.Connection[Any], load_id: str) -> None:
    """Let a load find that some jobs are not there any more."""
    database.execute(
        """
        update raw.workflow_jobs set gone_at = now(), _dlt_load_id = %s
        where job_id %% 5 = 0 and gone_at is null
            and job_id not in (select job_id from raw.webhook_jobs)
        """,
        [load_id],
    )
