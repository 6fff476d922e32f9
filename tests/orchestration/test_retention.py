"""Dagster's home and database stay small: of old runs nothing is left, but for the newest."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from dagster import (
    AssetCheckEvaluation,
    AssetCheckKey,
    AssetKey,
    AssetMaterialization,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
)

from orchestration.retention import (
    delete_checks_before,
    delete_files_before,
    delete_reports_before,
    delete_runs_before,
)

pytestmark = pytest.mark.unit


def test_ended_runs_are_forgotten_but_for_the_newest_of_each_job(instance: DagsterInstance) -> None:
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
    assert delete_runs_before(instance, datetime.now(UTC) + timedelta(minutes=1)) == 4
    assert {run.run_id for run in instance.get_runs()} == kept
    assert delete_runs_before(instance, datetime.now(UTC) + timedelta(minutes=1)) == 0


def test_runs_since_the_moment_stay(instance: DagsterInstance) -> None:
    for _ in range(3):
        instance.add_run(DagsterRun(job_name="collect", status=DagsterRunStatus.SUCCESS))
    assert delete_runs_before(instance, datetime.now(UTC) - timedelta(days=1)) == 0


def test_old_reports_are_forgotten_but_for_the_newest_of_each_asset(
    instance: DagsterInstance,
) -> None:
    for table, count in (("webhook_events", 3), ("webhook_jobs", 2)):
        for number in range(count):
            instance.report_runless_asset_event(
                AssetMaterialization(["raw", table], tags={"number": str(number)})
            )
    assert delete_reports_before(instance, datetime.now(UTC) - timedelta(days=1)) == 0
    assert delete_reports_before(instance, datetime.now(UTC) + timedelta(minutes=1)) == 3
    for table, last in (("webhook_events", "2"), ("webhook_jobs", "1")):
        found = instance.fetch_materializations(AssetKey(["raw", table]), limit=10).records
        [materialization] = [record.asset_materialization for record in found]
        assert materialization is not None
        assert (materialization.tags or {})["number"] == last


def test_old_checks_are_forgotten_but_for_the_newest_of_each(instance: DagsterInstance) -> None:
    key = AssetCheckKey(AssetKey(["marts", "jobs"]), "not_null")
    for number in range(3):
        instance.report_runless_asset_event(
            AssetCheckEvaluation(
                asset_key=key.asset_key,
                check_name=key.name,
                passed=True,
                metadata={"number": number},
            )
        )
    assert delete_checks_before(instance, datetime.now(UTC) - timedelta(days=1)) == 0
    assert delete_checks_before(instance, datetime.now(UTC) + timedelta(minutes=1)) == 2
    [left] = instance.event_log_storage.get_asset_check_execution_history(key, limit=10)
    assert left.event is not None
    evaluation = left.event.asset_check_evaluation
    assert evaluation is not None
    assert evaluation.metadata["number"].value == 2


def test_old_files_are_forgotten_with_the_folders_that_they_leave_empty(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    for name, days in (("old/logs/a.out", 3), ("both/a.err", 3), ("both/b.err", 0), ("new/c", 0)):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        written = (now - timedelta(days=days)).timestamp()
        os.utime(path, (written, written))
    assert delete_files_before(tmp_path, now - timedelta(days=1)) == 2
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}
    assert left == {"both", "both/b.err", "new", "new/c"}
