"""From raw rows to `marts.level_changes`, by the jobs that Dagster runs."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from dagster import AssetKey, DagsterInstance

from actionsight.backlog import unbuilt_load_count
from actionsight.database import connect
from orchestration.definitions import defs
from tests.transform import raw_rows
from tests.transform.factories import job_row, repository, run_row, workflow
from tests.transform.raw_rows import Row

pytestmark = [
    pytest.mark.integration,
    # Of dagster-dbt and dbt, about themselves: elsewhere they run in processes of their own.
    pytest.mark.filterwarnings("ignore"),
]

START = datetime(2026, 3, 2, tzinfo=UTC)


def execute(instance: DagsterInstance, job: str) -> None:
    assert defs.resolve_job_def(job).execute_in_process(instance=instance).success


def load_runs(url: str, load_id: str, first: int, durations: Iterable[int]) -> None:
    """Runs of workflow 201, an hour apart, each of one job `build` that takes so many seconds."""
    runs: list[Row] = []
    jobs: list[Row] = []
    for run_id, seconds in enumerate(durations, start=first):
        began = START + timedelta(hours=run_id)
        times = [began.isoformat(), (began + timedelta(seconds=seconds)).isoformat()]
        runs.append(run_row(run_id, 1, times[0], head_sha=f"sha {run_id}"))
        jobs.append(job_row(1000 + run_id, run_id, *times))
    tables = {
        "repositories": [repository(101, "public")],
        "workflows": [workflow(201, 101)],
        "workflow_runs": runs,
        "workflow_jobs": jobs,
    }
    with connect(url) as connection:
        raw_rows.load(connection, load_id, tables)


def rows(instance: DagsterInstance, mart: str) -> list[tuple[Any, Any]]:
    """How many rows each build wrote or deleted, and how many there were; the newest first."""
    found = instance.fetch_materializations(AssetKey(["marts", mart]), limit=10).records
    return [
        (each.metadata["rows_changed"].value, each.metadata["dagster/row_count"].value)
        for record in found
        if (each := record.asset_materialization)
    ]


def changes(url: str) -> list[Any]:
    with connect(url) as connection:
        return connection.execute(
            """
            select
                job_name, first_run_id, first_sha, changed_at, median_before_seconds,
                median_after_seconds, run_count_before, run_count_after, still_holds
            from marts.level_changes
            where (repository_id, workflow_id) = (101, 201)
            order by job_name nulls first, changed_at
            """
        ).fetchall()


def test_changes_of_level_are_found_by_a_build_and_by_night(
    dbt_database_url: str, instance: DagsterInstance
) -> None:
    url = dbt_database_url
    load_runs(url, "1", 1, [100] * 12 + [200] * 10)
    execute(instance, "build")
    slower = (13, "sha 13", START + timedelta(hours=13), 100, 200, 12, 10, True)
    assert changes(url) == [(None, *slower), ("build", *slower)]
    assert unbuilt_load_count(url) == 0
    assert instance.get_latest_materialization_event(AssetKey(["raw", "duration_levels"]))
    # The first pass brought the runs, the second one their levels alone.
    assert rows(instance, "workflow_runs") == [(0, 22), (22, 22)]
    assert rows(instance, "level_changes") == [(2, 2), (0, 0)]

    # The runs of the first level turn out to have been as slow, but for the newest ones of all:
    # too few for a look after the build, and too few to be a level.
    load_runs(url, "2", 1, [200] * 22 + [90] * 7)
    execute(instance, "build")
    assert changes(url) == [(None, *slower), ("build", *slower)]
    execute(instance, "find_levels")
    assert unbuilt_load_count(url) == 1
    execute(instance, "build")
    assert changes(url) == []
    assert unbuilt_load_count(url) == 0
