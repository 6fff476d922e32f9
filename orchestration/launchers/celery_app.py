"""What a worker is: `celery --app orchestration.launchers.celery_app worker`, which
`actionsight worker` starts.

Celery's settings are the launcher's, in `celery.yaml`. A run is a process of its own, forked from
this one, which has imported all that runs need.
"""

import logging
import signal
from typing import Any

from celery.signals import setup_logging, worker_process_init
from dagster import DagsterInstance
from dagster._utils.interrupts import setup_interrupt_handlers
from dagster_celery.tasks import create_execute_job_task

from actionsight import logs
from orchestration import definitions
from orchestration.launchers.celery import LiveCeleryRunLauncher

# Its connections are closed before anything is forked.
with DagsterInstance.get() as _instance:
    _launcher = _instance.run_launcher
    if not isinstance(_launcher, LiveCeleryRunLauncher):
        raise TypeError("runs do not go to workers: set ACTIONSIGHT_RUNS_BROKER_URL")
    app = _launcher.celery

execute_job = create_execute_job_task(app)


@setup_logging.connect
def _log_as_all_processes_do(**_: Any) -> None:
    logs.configure()
    # Each run as it came, with all that it was told: Dagster's pages tell of it.
    for name in ("celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(name).setLevel(logging.WARNING)


@worker_process_init.connect
def _be_interruptible(**_: Any) -> None:
    """Let SIGTERM end a run as Dagster ends one, which then says that it was cancelled."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    setup_interrupt_handlers()


__all__ = ["app", "definitions", "execute_job"]
