"""Dagster's home and database stay small: of old runs nothing is left, but for the newest."""

import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from dagster import (
    AssetCheckEvaluation,
    AssetCheckKey,
    AssetKey,
    AssetMaterialization,
    DagsterEventType,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    RunRequest,
    SkipReason,
    build_sensor_context,
    job,
    op,
)
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import TickData, TickStatus
from dagster._core.storage.runs import SqlRunStorage
from dagster._core.storage.runs.schema import SnapshotsTable
from sqlalchemy import select

from actionsight.database import connect
from actionsight.disk import Disk, Usage
from actionsight.retention import remove
from orchestration.retention import DAGSTER_RULES, retention
from orchestration.sensors import disk_budget

pytestmark = pytest.mark.unit

RULES = {rule.what: rule for rule in DAGSTER_RULES}


def delete(what: str, instance: DagsterInstance, before: datetime) -> int:
    """Remove by a rule, which says before how much that will be."""
    rule = RULES[what]
    count = rule.count(instance, before)
    assert remove(rule, instance, before) == count
    assert rule.count(instance, before) == 0
    return count


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
    assert delete("Dagster's runs", instance, datetime.now(UTC) + timedelta(minutes=1)) == 4
    assert {run.run_id for run in instance.get_runs()} == kept
    assert delete("Dagster's runs", instance, datetime.now(UTC) + timedelta(minutes=1)) == 0


def test_snapshots_go_with_the_last_run_that_is_of_them(instance: DagsterInstance) -> None:
    def snapshots() -> int:
        storage = instance.run_storage
        assert isinstance(storage, SqlRunStorage)
        with storage.connect() as connection:
            return len(connection.execute(select(SnapshotsTable.c.id)).all())

    for version in range(3):

        @op(tags={"version": str(version)})
        def one() -> None:
            pass

        @job(name="collect")
        def collect() -> None:
            one()

        assert collect.execute_in_process(instance=instance).success
    assert snapshots() == 6  # of the job and of its plan
    now = datetime.now(UTC) + timedelta(minutes=1)
    assert delete("snapshots of jobs", instance, now) == 0
    assert delete("Dagster's runs", instance, now) == 2
    assert delete("snapshots of jobs", instance, now) == 4
    # What is left is enough for the run that is left, and for another.
    [run] = instance.get_runs()
    assert instance.get_job_snapshot(str(run.job_snapshot_id)).name == "collect"
    assert instance.get_execution_plan_snapshot(str(run.execution_plan_snapshot_id)).steps
    assert collect.execute_in_process(instance=instance).success
    assert snapshots() == 2


def test_runs_since_the_moment_stay(instance: DagsterInstance) -> None:
    for _ in range(3):
        instance.add_run(DagsterRun(job_name="collect", status=DagsterRunStatus.SUCCESS))
    assert delete("Dagster's runs", instance, datetime.now(UTC) - timedelta(days=1)) == 0


def test_old_reports_are_forgotten_but_for_the_newest_of_each_asset(
    instance: DagsterInstance,
) -> None:
    for table, count in (("webhook_events", 3), ("webhook_jobs", 2)):
        for number in range(count):
            instance.report_runless_asset_event(
                AssetMaterialization(["raw", table], tags={"number": str(number)})
            )
    assert delete("reports to Dagster", instance, datetime.now(UTC) - timedelta(days=1)) == 0
    assert delete("reports to Dagster", instance, datetime.now(UTC) + timedelta(minutes=1)) == 3
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
    assert delete("executions of checks", instance, datetime.now(UTC) - timedelta(days=1)) == 0
    assert delete("executions of checks", instance, datetime.now(UTC) + timedelta(minutes=1)) == 2
    [left] = instance.event_log_storage.get_asset_check_execution_history(key, limit=10)
    assert left.event is not None
    evaluation = left.event.asset_check_evaluation
    assert evaluation is not None
    assert evaluation.metadata["number"].value == 2


def test_old_ticks_are_forgotten_but_for_the_newest_of_each(instance: DagsterInstance) -> None:
    now = datetime.now(UTC)
    for days in (9, 8, 1):
        instance.create_tick(
            TickData(
                instigator_origin_id="drain",
                instigator_name="drain",
                instigator_type=InstigatorType.SENSOR,
                status=TickStatus.SKIPPED,
                timestamp=(now - timedelta(days=days)).timestamp(),
                selector_id="drain",
            )
        )
    assert delete("ticks", instance, now - timedelta(days=5)) == 2
    assert delete("ticks", instance, now + timedelta(minutes=1)) == 0
    assert len(instance.get_ticks("drain", "drain")) == 1


def test_old_files_are_forgotten_with_the_folders_that_they_leave_empty(
    instance: DagsterInstance,
) -> None:
    now, home = datetime.now(UTC), Path(instance.storage_directory())
    for name, days in (("old/logs/a.out", 3), ("both/a.err", 3), ("both/b.err", 0), ("new/c", 0)):
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        written = (now - timedelta(days=days)).timestamp()
        os.utime(path, (written, written))
    assert delete("Dagster's files", instance, now - timedelta(days=1)) == 2
    left = {str(path.relative_to(home)) for path in home.rglob("*")}
    assert left >= {"both", "both/b.err", "new", "new/c"}
    assert not {"old", "old/logs", "both/a.err"} & left


@pytest.mark.integration
def test_the_job_says_what_would_go_and_then_removes_it(
    postgresql_instance: DagsterInstance,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    instance = postgresql_instance
    monkeypatch.setenv("ACTIONSIGHT_DATABASE_URL", database_url)
    monkeypatch.setenv("ACTIONSIGHT_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("ACTIONSIGHT_RETENTION_AUDIT_DAYS", "7")
    with connect(database_url, autocommit=True) as connection:
        connection.execute(
            """
            insert into app.audit_log (action, happened_at) values
                ('old', now() - interval '8 days'), ('new', now() - interval '6 days')
            """
        )
        assert retention.execute_in_process(instance=instance).success
        left = connection.execute("select action from app.audit_log").fetchall()
    assert left == [("new",)]
    records = instance.all_logs(instance.get_runs()[0].run_id, of_type=DagsterEventType.STEP_OUTPUT)
    said, went = (
        record.get_dagster_event().step_output_data.metadata["entries of the audit log"].value
        for record in records
    )
    assert (said, went) == (1, 1)


def test_retention_is_asked_for_once_an_hour_while_the_disk_is_nearly_full(
    instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = Usage(84, 100)
    monkeypatch.setattr(Disk, "measure", lambda _: usage)
    with build_sensor_context(instance) as context:
        assert isinstance(disk_budget(context), SkipReason)
        usage = Usage(85, 100)
        request = disk_budget(context)
        assert isinstance(request, RunRequest)
        # A key of the hour, which Dagster takes once.
        assert re.fullmatch(r"nearly full \d{4}-\d\d-\d\d \d\d", str(request.run_key))
        instance.add_run(DagsterRun(job_name="retention", status=DagsterRunStatus.STARTED))
        assert isinstance(disk_budget(context), SkipReason)
