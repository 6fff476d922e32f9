"""A worker's process does a run that waits in the broker, answers who looks for it, and ends."""

import dataclasses
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus

from actionsight.database import connect
from actionsight.doctor import worker_finding
from actionsight.local.installation import environment
from actionsight.local.worker import command
from actionsight.settings import COLLECTION, ROOT, Settings
from tests.orchestration.launchers.conftest import Configured, Launched

pytestmark = [pytest.mark.integration, pytest.mark.thorough]

PATIENCE_SECONDS = 120


@pytest.fixture
def with_workers(settings: Settings, redis_url: str, empty_database_url: str) -> Settings:
    return dataclasses.replace(
        settings,
        dagster_database_url=empty_database_url,
        runs_broker_url=urlsplit(redis_url)._replace(path="/1").geturl(),
        secret_key="k" * 32,
    )


@pytest.fixture
def log_file(with_workers: Settings, tmp_path: Path) -> Iterator[Path]:
    """What a worker of another machine says, which works until the test ends."""
    elsewhere = dataclasses.replace(with_workers, data_dir=tmp_path / "elsewhere")
    log_file = tmp_path / "worker.log"
    with (
        log_file.open("wb") as log,
        subprocess.Popen(
            command(elsewhere, concurrency=2),
            cwd=ROOT,
            env=environment(elsewhere, COLLECTION),
            stdout=log,
            stderr=log,
            start_new_session=True,
        ) as worker,
    ):
        try:
            yield log_file
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(60) == 0
        finally:
            if worker.poll() is None:
                os.killpg(worker.pid, signal.SIGKILL)


def wait_for(
    instance: DagsterInstance, run: DagsterRun, status: DagsterRunStatus, log_file: Path
) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    told = instance.get_run_by_id(run.run_id)
    while told is None or told.status != status:
        said = [str(event) for event in instance.all_logs(run.run_id)]
        assert told is None or not told.is_finished, said
        assert time.monotonic() < deadline, (said, log_file.read_text())
        time.sleep(0.2)
        told = instance.get_run_by_id(run.run_id)


def test_runs_are_done_by_a_worker_and_can_be_ended(
    with_workers: Settings, configured: Configured, launched: Launched, log_file: Path
) -> None:
    instance = configured(with_workers)
    done = launched(instance)
    wait_for(instance, done, DagsterRunStatus.SUCCESS, log_file)
    assert worker_finding(str(with_workers.runs_broker_url)).says == "1 answers"

    with connect(str(with_workers.database_url)) as connection:
        connection.execute("lock table app.purges in access exclusive mode")
        ended = launched(instance)
        wait_for(instance, ended, DagsterRunStatus.STARTED, log_file)
        assert instance.run_launcher.terminate(ended.run_id)
        wait_for(instance, ended, DagsterRunStatus.CANCELED, log_file)

    left = {path.name for path in with_workers.data_dir.iterdir()}
    assert left == {"dagster"}, "the worker wrote into its own folder alone"
    said = log_file.read_text()
    assert done.run_id not in said, "Dagster's pages tell of it"
    assert str(urlsplit(str(with_workers.database_url)).password) not in said
