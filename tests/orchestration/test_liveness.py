"""A run lives while its process holds the run's lock, and monitoring fails the others."""

import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dagster import (
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    OpExecutionContext,
    execute_job,
    job,
    mem_io_manager,
    op,
    reconstructable,
)
from dagster._core.launcher import WorkerStatus
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._daemon.monitoring import execute_run_monitoring_iteration

from actionsight.database import connect
from actionsight.settings import ROOT
from orchestration import liveness
from orchestration.definitions import defs

pytestmark = pytest.mark.integration

HOLDER = """
import sys, time
from orchestration.liveness import alive
with alive(sys.argv[1], sys.argv[2]):
    print("held", flush=True)
    time.sleep(600)
"""
PATIENCE_SECONDS = 60


def eventually(check: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not check():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.05)


@pytest.fixture
def instance(
    empty_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[DagsterInstance]:
    """An instance as `dagster.yaml` says, on a database of its own."""
    url = empty_database_url.replace("postgresql://", "postgresql+psycopg2://")
    monkeypatch.setenv("ACTIONSIGHT_DAGSTER_DATABASE_URL", url)
    (tmp_path / "dagster.yaml").write_text((ROOT / "dagster.yaml").read_text())
    with DagsterInstance.from_config(str(tmp_path)) as made:
        yield made


def monitor(instance: DagsterInstance) -> None:
    with WorkspaceProcessContext(instance, None) as context:
        errors = execute_run_monitoring_iteration(context, logging.getLogger(__name__))
        assert [error for error in errors if error is not None] == []


def test_a_killed_process_has_lost_its_run_even_while_it_is_a_zombie(
    empty_database_url: str,
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, empty_database_url, "run"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert liveness.is_alive(empty_database_url, "run")
        assert not liveness.is_alive(empty_database_url, "another run")
        process.kill()
        eventually(lambda: not liveness.is_alive(empty_database_url, "run"))
        assert process.returncode is None, "nobody has waited for it yet"


def test_a_lock_whose_connection_was_lost_is_taken_again(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveness, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(liveness, "RETRY_SECONDS", 0.1)
    with liveness.alive(empty_database_url, "run"):
        assert liveness.is_alive(empty_database_url, "run")
        with connect(empty_database_url, autocommit=True) as connection:
            connection.execute(
                "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory'"
            )
        eventually(lambda: liveness.is_alive(empty_database_url, "run"))
    assert not liveness.is_alive(empty_database_url, "run")


def test_monitoring_fails_runs_without_a_process_and_those_that_never_began(
    instance: DagsterInstance, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveness, "ABSENT_SECONDS", 0)

    def add(status: DagsterRunStatus) -> str:
        return instance.add_run(DagsterRun(job_name="build", status=status)).run_id

    gone, living = add(DagsterRunStatus.STARTED), add(DagsterRunStatus.STARTED)
    young, never_began = add(DagsterRunStatus.NOT_STARTED), add(DagsterRunStatus.NOT_STARTED)
    with connect(empty_database_url, autocommit=True) as connection:
        connection.execute(
            "update runs set create_timestamp = create_timestamp - interval '1 minute'"
            " where run_id = %s",
            [never_began],
        )
    with liveness.alive(empty_database_url, living):
        monitor(instance)
    statuses = {run.run_id: run.status for run in instance.get_runs()}
    assert statuses == {
        gone: DagsterRunStatus.FAILURE,
        never_began: DagsterRunStatus.FAILURE,
        living: DagsterRunStatus.STARTED,
        young: DagsterRunStatus.NOT_STARTED,
    }


def test_runs_that_are_lost_together_are_told_together(
    instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [
        instance.add_run(DagsterRun(job_name="build", status=DagsterRunStatus.STARTED))
        for _ in range(3)
    ]
    launcher = instance.run_launcher

    def told() -> set[WorkerStatus]:
        return {launcher.check_run_worker_health(run).status for run in runs}

    assert told() == {WorkerStatus.RUNNING}, "their locks may just be taken again"
    monkeypatch.setattr(liveness, "ABSENT_SECONDS", 0)
    assert told() == {WorkerStatus.FAILED}


@op
def look(context: OpExecutionContext) -> None:
    url = os.environ["ACTIONSIGHT_DAGSTER_DATABASE_URL"].replace("+psycopg2", "")
    assert liveness.is_alive(url, context.run_id)


@job(executor_def=liveness.live_executor, resource_defs={"io_manager": mem_io_manager})
def looking() -> None:
    look()


def test_the_run_of_every_job_holds_its_lock_and_leaves_no_file(instance: DagsterInstance) -> None:
    executors = {each.executor_def for each in defs.resolve_all_job_defs()}
    assert executors == {liveness.live_executor}
    with execute_job(reconstructable(looking), instance) as result:
        assert result.success
    left = [path.name for path in Path(instance.root_directory).iterdir()]
    assert left == ["dagster.yaml"]
