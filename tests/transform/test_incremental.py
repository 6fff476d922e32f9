"""A build of what changed leaves what a build of everything would."""

from typing import Any

import psycopg
import pytest

from tests.support.dbt_project import Project
from tests.transform import marts
from tests.transform.factories import job_row, repository, run_row
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


def test_a_newer_run_changes_the_waste_of_a_cancelled_one_that_was_built_long_ago(
    project: Project, database: psycopg.Connection[Any]
) -> None:
    cancelled = run_row(1, 1, "2026-03-01T10:00:00Z", conclusion="cancelled")
    job = job_row(11, 1, "2026-03-01T10:00:00Z", "2026-03-03T10:00:00Z")
    load(database, "load 1", {"workflow_runs": [cancelled], "workflow_jobs": [job]})
    project.run()
    alone = _waste(database)

    # Known by its third attempt alone, run 2 seems to be created after the cancelled one ended.
    load(database, "load 2", {"workflow_runs": [run_row(2, 3, "2026-03-04T10:00:00Z")]})
    project.run()
    seemingly_late = _waste(database)
    load(database, "load 3", {"workflow_runs": [run_row(2, 2, "2026-03-02T10:00:00Z")]})
    project.run()
    superseded = _waste(database)
    # By its first attempt it is the older of the two.
    load(database, "load 4", {"workflow_runs": [run_row(2, 1, "2026-02-28T10:00:00Z")]})
    project.run()

    assert alone == seemingly_late == _waste(database) == (None, 0, 0)
    assert superseded == ("superseded", 2880, 2880)


def test_a_repository_that_becomes_public_cost_what_it_did_before(
    project: Project, database: psycopg.Connection[Any]
) -> None:
    load(database, "load 1", {"repositories": [repository(101, "private")]})
    job = job_row(11, 1, "2026-03-01T10:00:00Z", "2026-03-01T10:10:00Z")
    run = run_row(1, 1, "2026-03-01T10:00:00Z")
    load(database, "load 2", {"workflow_runs": [run], "workflow_jobs": [job]})
    project.run()
    cost = "select sum(estimated_cost_usd)::text from marts.workflow_statistics_by_day"
    private = database.execute(cost).fetchone()

    load(database, "load 3", {"repositories": [repository(101, "public")]})
    project.run()

    assert private == ("0.060000",)
    assert database.execute(cost).fetchone() == private
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


def _waste(database: psycopg.Connection[Any]) -> tuple[Any, ...] | None:
    return database.execute(
        "select jobs.waste_cause, jobs.wasted_minutes, days.superseded_wasted_minutes "
        "from marts.jobs as jobs inner join marts.workflow_statistics_by_day as days "
        "using (repository_id, workflow_id, day)"
    ).fetchone()
