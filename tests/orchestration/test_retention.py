"""Dagster's database stays small: old runs are forgotten, but for the newest of each job."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from dagster import (
    AssetKey,
    AssetMaterialization,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
)

from orchestration.retention import forget_reports_before, forget_runs_before

pytestmark = pytest.mark.unit


def test_ended_runs_are_forgotten_but_for_the_newest_of_each_job(tmp_path: Path) -> None:
    with DagsterInstance.local_temp(str(tmp_path)) as instance:

        def add(job_name: str, status: DagsterRunStatus = DagsterRunStatus.SUCCESS) -> str:
            return instance.add_run(DagsterRun(job_name=job_name, status=status)).run_id

        for _ in range(3):
            add("collect")
        add("build", DagsterRunStatus.FAILURE)
        kept = {
            add("build", DagsterRunStatus.STARTED),
            add("collect"),
            add("sync"),
        }
        assert forget_runs_before(instance, datetime.now(UTC) + timedelta(minutes=1)) == 4
        assert {run.run_id for run in instance.get_runs()} == kept
        assert forget_runs_before(instance, datetime.now(UTC) + timedelta(minutes=1)) == 0


def test_runs_since_the_moment_stay(tmp_path: Path) -> None:
    with DagsterInstance.local_temp(str(tmp_path)) as instance:
        for _ in range(3):
            instance.add_run(DagsterRun(job_name="collect", status=DagsterRunStatus.SUCCESS))
        assert forget_runs_before(instance, datetime.now(UTC) - timedelta(days=1)) == 0


def test_old_reports_are_forgotten_but_for_the_newest_of_each_asset(tmp_path: Path) -> None:
    with DagsterInstance.local_temp(str(tmp_path)) as instance:
        for table, count in (("webhook_events", 3), ("webhook_jobs", 2)):
            for number in range(count):
                instance.report_runless_asset_event(
                    AssetMaterialization(["raw", table], tags={"number": str(number)})
                )
        assert forget_reports_before(instance, datetime.now(UTC) - timedelta(days=1)) == 0
        assert forget_reports_before(instance, datetime.now(UTC) + timedelta(minutes=1)) == 3
        for table, last in (("webhook_events", "2"), ("webhook_jobs", "1")):
            found = instance.fetch_materializations(AssetKey(["raw", table]), limit=10).records
            [materialization] = [record.asset_materialization for record in found]
            assert materialization is not None
            assert (materialization.tags or {})["number"] == last
