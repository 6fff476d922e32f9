"""A run that goes to a worker waits in the broker, and nothing secret with it."""

import json
import ssl
from base64 import b64decode
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
import redis
from dagster import DagsterRun, DagsterRunStatus
from dagster._core.launcher import WorkerStatus

from actionsight.settings import Settings, load
from orchestration import liveness
from orchestration.launchers.celery import LiveCeleryRunLauncher
from tests.orchestration.launchers.conftest import Configured, Launched

pytestmark = pytest.mark.integration


@pytest.fixture
def with_workers(settings: Settings, redis_url: str) -> Settings:
    return replace(settings, runs_broker_url=urlsplit(redis_url)._replace(path="/1").geturl())


def test_a_run_waits_in_the_broker_without_a_secret(
    with_workers: Settings, configured: Configured, launched: Launched, empty_database_url: str
) -> None:
    run = launched(configured(with_workers))
    with redis.Redis.from_url(str(with_workers.runs_broker_url)) as broker:
        [message] = broker.lrange("dagster", 0, -1)
    body = b64decode(json.loads(message)["body"]).decode()
    assert run.run_id in body
    assert "ACTIONSIGHT_DAGSTER_DATABASE_URL" in body, "it is named, for who executes it"
    for url in (empty_database_url, str(with_workers.runs_broker_url)):
        password = urlsplit(url).password
        assert password
        assert password not in body
        assert password not in str(message)


def test_what_starts_runs_on_workers_asks_for_the_run_s_lock(
    with_workers: Settings,
    configured: Configured,
    empty_database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    instance = configured(with_workers)
    launcher = instance.run_launcher
    assert isinstance(launcher, LiveCeleryRunLauncher)
    run = instance.add_run(DagsterRun(job_name="build", status=DagsterRunStatus.STARTED))
    monkeypatch.setattr(liveness, "ABSENT_SECONDS", 0)
    with liveness.alive(empty_database_url, run.run_id):
        assert launcher.check_run_worker_health(run).status == WorkerStatus.RUNNING
    assert launcher.check_run_worker_health(run).status == WorkerStatus.FAILED
    assert launcher.get_run_worker_debug_info(run) is None


def test_runs_are_begun_once_and_killed_ones_begin_anew(
    with_workers: Settings, configured: Configured
) -> None:
    instance = configured(with_workers)
    launcher = instance.run_launcher
    assert isinstance(launcher, LiveCeleryRunLauncher)
    celery = launcher.celery.conf
    assert not celery.task_acks_late
    assert celery.worker_disable_prefetch
    assert celery.worker_max_tasks_per_child == 1
    assert instance.run_retries_enabled
    assert instance.run_retries_max_retries == 3
    assert not instance.run_retries_retry_on_asset_or_op_failure
    assert instance.run_monitoring_start_timeout_seconds == 40


def test_only_what_a_worker_has_can_be_ended(
    with_workers: Settings, configured: Configured, launched: Launched
) -> None:
    instance = configured(with_workers)
    assert not instance.run_launcher.terminate("no-such-run")
    waiting = instance.add_run(DagsterRun(job_name="build"))
    assert not instance.run_launcher.terminate(waiting.run_id)
    run = launched(instance)
    assert instance.run_launcher.terminate(run.run_id)
    told = instance.get_run_by_id(run.run_id)
    assert told is not None
    assert told.status == DagsterRunStatus.CANCELING


def test_the_certificate_of_a_broker_is_looked_at_as_other_servers_are(
    settings: Settings, configured: Configured
) -> None:
    given = load(environ={"ACTIONSIGHT_RUNS_BROKER_URL": "rediss://:secret@broker.example/1"})
    launcher = configured(replace(settings, runs_broker_url=given.runs_broker_url)).run_launcher
    assert isinstance(launcher, LiveCeleryRunLauncher)
    with launcher.celery.connection_for_write() as connection:
        assert connection.ssl == {"ssl_cert_reqs": ssl.CERT_REQUIRED}
