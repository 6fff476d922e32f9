"""What is loaded while a build is under way is built by the same run."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from dagster import AssetKey, DagsterInstance

from actionsight.backlog import unbuilt_load_count
from actionsight.database import connect
from actionsight.settings import ROOT
from tests.orchestration.factories import commit_a_load

pytestmark = pytest.mark.integration


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
    deadline = time.monotonic() + 60
    with connect(database_url, autocommit=True) as connection:
        while time.monotonic() < deadline:
            taken_in = "select from raw.unbuilt_loads where builds != '{}'"
            if connection.execute(taken_in).fetchone() is not None:
                break
            time.sleep(0.01)
    commit_a_load(database_url, "2", workflow_id=2)
