"""A run whose process was killed does not hold back the next ones."""

import os
import subprocess
import sys

import pytest
from dagster import (
    AssetExecutionContext,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    asset,
    materialize,
)

from orchestration import runs

pytestmark = pytest.mark.unit


def started_run(instance: DagsterInstance, process: str | None) -> str:
    tags = {runs.PROCESS_TAG: process} if process else {}
    run = DagsterRun(job_name="build", status=DagsterRunStatus.STARTED, tags=tags)
    instance.add_run(run)
    return run.run_id


def ended_process() -> str:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    return f"{process.pid}:1"


def test_only_the_run_of_a_gone_process_is_reported_as_failed() -> None:
    with DagsterInstance.ephemeral() as instance:
        gone = started_run(instance, ended_process())
        unsigned = started_run(instance, None)
        living = started_run(instance, f"{os.getpid()}:{runs._started(os.getpid())}")
        assert runs.fail_orphans(instance) == [gone]
        statuses = {run.run_id: run.status for run in instance.get_runs()}
    assert statuses[gone] == DagsterRunStatus.FAILURE
    assert statuses[unsigned] == statuses[living] == DagsterRunStatus.STARTED


def test_a_process_number_used_again_is_not_mistaken_for_the_old_process() -> None:
    with DagsterInstance.ephemeral() as instance:
        run_id = started_run(instance, f"{os.getpid()}:1")
        assert runs.fail_orphans(instance) == [run_id]


def test_a_run_is_signed_with_its_living_process() -> None:
    @asset
    def signed(context: AssetExecutionContext) -> None:
        runs.sign(context)

    with DagsterInstance.ephemeral() as instance:
        result = materialize([signed], instance=instance)
        run = instance.get_run_by_id(result.run_id)
    assert run is not None
    assert run.tags[runs.PROCESS_TAG].startswith(f"{os.getpid()}:")
