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
from dagster import DagsterRunStatus

from actionsight.doctor import worker_finding
from actionsight.local.worker import command, environment_of_worker
from actionsight.settings import ROOT, Settings
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
            env=environment_of_worker(elsewhere),
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


def test_a_run_is_done_by_a_worker(
    with_workers: Settings, configured: Configured, launched: Launched, log_file: Path
) -> None:
    instance = configured(with_workers)
    run = launched(instance)
    deadline = time.monotonic() + PATIENCE_SECONDS
    told = instance.get_run_by_id(run.run_id)
    while told is None or not told.is_finished:
        assert time.monotonic() < deadline, log_file.read_text()
        time.sleep(0.2)
        told = instance.get_run_by_id(run.run_id)
    said = "\n".join(str(event) for event in instance.all_logs(run.run_id))
    assert told.status == DagsterRunStatus.SUCCESS, said
    assert worker_finding(str(with_workers.runs_broker_url)).says == "1 answers"
    left = {path.name for path in with_workers.data_dir.iterdir()}
    assert left == {"dagster"}, "the worker wrote into its own folder alone"
    assert str(urlsplit(str(with_workers.database_url)).password) not in log_file.read_text()
    assert run.run_id not in log_file.read_text(), "Dagster's pages tell of it"
