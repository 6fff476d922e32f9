"""Instances of Dagster whose runs go elsewhere, and a run to start."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from dagster import DagsterInstance, DagsterRun
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.launcher import LaunchRunContext
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin

from actionsight.local import dagster_home
from actionsight.settings import ROOT, Settings

Configured = Callable[[Settings], DagsterInstance]
Launched = Callable[..., DagsterRun]


@pytest.fixture
def configured(empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Configured]:
    """An instance as an installation with these settings has it."""
    url = "postgresql+psycopg2://" + empty_database_url.partition("://")[2]
    monkeypatch.setenv("ACTIONSIGHT_DAGSTER_DATABASE_URL", url)
    with ExitStack() as stack:

        def configure(settings: Settings) -> DagsterInstance:
            monkeypatch.setenv("ACTIONSIGHT_RUNS_BROKER_URL", settings.runs_broker_url or "")
            home = dagster_home.make(settings)
            return stack.enter_context(DagsterInstance.from_config(str(home)))

        yield configure


@pytest.fixture
def launched() -> Launched:
    """A run, of a purge unless said otherwise, that was given to the instance's launcher."""

    def launch(instance: DagsterInstance, job_name: str = "purge") -> DagsterRun:
        origin = RepositoryPythonOrigin(
            sys.executable, ModuleCodePointer("orchestration.definitions", "defs", str(ROOT))
        )
        run = instance.add_run(
            DagsterRun(job_name=job_name, job_code_origin=JobPythonOrigin(job_name, origin))
        )
        instance.run_launcher.launch_run(LaunchRunContext(dagster_run=run, workspace=None))
        return run

    return launch
