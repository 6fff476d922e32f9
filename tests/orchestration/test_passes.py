"""What comes while a build is under way is drained and built by the same run."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from dagster import AssetKey, DagsterInstance

from actionsight.backlog import unbuilt_load_count
from actionsight.database import connect
from actionsight.event_buffer import EventBuffer
from actionsight.settings import ROOT
from tests.orchestration.factories import commit_a_load

pytestmark = pytest.mark.integration


@pytest.mark.thorough
def test_webhooks_are_drained_and_built_within_a_build(
    dbt_database_url: str, redis_url: str, tmp_path: Path
) -> None:
    with connect(dbt_database_url) as connection:
        connection.execute(
            "insert into app.repositories (repository_id, full_name) values (1, 'octo/app')"
        )
    buffer = EventBuffer(redis_url)
    append_run(buffer, 1)
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "dagster", "job", "execute"),
            *("--module-name=orchestration.definitions", "--job=build"),
        ],
        cwd=ROOT,
        env={**os.environ, "DAGSTER_HOME": str(tmp_path), "ACTIONSIGHT_REDIS_URL": redis_url},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as build:
        wait_until_claimed(dbt_database_url)
        append_run(buffer, 2)
    assert build.returncode == 0
    assert buffer.freshness().event_count == 0
    buffer.close()
    with connect(dbt_database_url) as connection:
        rows = connection.execute("select run_id from marts.workflow_runs order by 1").fetchall()
    assert rows == [(1,), (2,)]
    with DagsterInstance.from_config(str(tmp_path)) as instance:
        [run] = instance.get_runs()
        for table, count in (("webhook_events", 2), ("webhook_runs", 2), ("webhook_jobs", 0)):
            [record] = instance.fetch_materializations(AssetKey(["raw", table]), limit=10).records
            assert record.run_id == run.run_id
            assert record.asset_materialization is not None
            assert record.asset_materialization.metadata["rows_added"].value == count


@pytest.mark.thorough
def test_a_load_that_comes_during_a_build_is_built_in_a_further_pass(
    dbt_database_url: str, tmp_path: Path
) -> None:
    commit_a_load(dbt_database_url, "1", workflow_id=1)
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "dagster", "job", "execute"),
            *("--module-name=orchestration.definitions", "--job=build"),
        ],
        cwd=ROOT,
        env={**os.environ, "DAGSTER_HOME": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as build:
        commit_once_claimed(dbt_database_url)
    assert build.returncode == 0
    assert unbuilt_load_count(dbt_database_url) == 0
    with DagsterInstance.from_config(str(tmp_path)) as instance:
        workflows = AssetKey(["marts", "workflows"])
        found = instance.fetch_materializations(workflows, limit=10).records
    assert len(found) == 2
    assert len({record.run_id for record in found}) == 1
    with connect(dbt_database_url) as connection:
        rows = connection.execute("select workflow_id from marts.workflows order by 1").fetchall()
    assert rows == [(1,), (2,)]


def commit_once_claimed(database_url: str) -> None:
    """Commit a second load as soon as the build has chosen what it works on."""
    wait_until_claimed(database_url)
    commit_a_load(database_url, "2", workflow_id=2)


def wait_until_claimed(database_url: str) -> None:
    """Wait until the build has chosen what it works on."""
    deadline = time.monotonic() + 60
    with connect(database_url, autocommit=True) as connection:
        while time.monotonic() < deadline:
            taken_in = "select from raw.unbuilt_loads where builds != '{}'"
            if connection.execute(taken_in).fetchone() is not None:
                return
            time.sleep(0.01)


def append_run(buffer: EventBuffer, run_id: int) -> None:
    """Buffer what GitHub tells of a run that was requested."""
    payload = {
        "action": "requested",
        "workflow_run": {
            "id": run_id,
            "workflow_id": 1,
            "status": "queued",
            "created_at": "2026-01-01T00:00:00Z",
        },
        "repository": {"id": 1},
    }
    headers = {"X-GitHub-Event": "workflow_run", "X-GitHub-Delivery": f"run {run_id}"}
    buffer.append(headers, json.dumps(payload).encode())
