"""Dagster's daemon: `python -m orchestration.daemon`, which keeps its connections to PostgreSQL.

`dagster-daemon run` opens a connection for each question that it asks, some forty a second, asks
before most of them whether its tables are there, and reads all definitions anew every minute: while
nothing happens, that is most of what it costs.
"""

import argparse
import functools
from collections.abc import Sequence

from dagster import DagsterInstance
from dagster._core.storage.runs.sql_run_storage import SqlRunStorage
from dagster._core.storage.schedules.sql_schedule_storage import SqlScheduleStorage
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster._daemon import controller as daemon_controller
from dagster._utils.interrupts import capture_interrupts, setup_interrupt_handlers

from orchestration.code_server_watch import wait_for_code_servers, watch_every_few_seconds

NO_TIMEOUT = 0
RECYCLE_SECONDS = 3600
# One for each of its daemons, and what they do side by side.
MAX_OVERFLOW = 20
# Definitions change with the code server, which is watched; reading all of them takes a second.
RELOAD_SECONDS = 3600
# What Dagster asks about its own tables; they stay as they are while a daemon runs.
ABOUT_TABLES = (
    (SqlRunStorage, "has_run_stats_index_cols"),
    (SqlScheduleStorage, "has_instigators_table"),
    (SqlScheduleStorage, "has_secondary_index_table"),
)


def remember_tables() -> None:
    """Let this process ask PostgreSQL's catalog once for each of its storages."""
    for storage, question in ABOUT_TABLES:
        setattr(storage, question, functools.cache(getattr(storage, question)))


def run(workspace: str) -> None:
    """Run all daemons until a signal ends them."""
    setup_interrupt_handlers()
    watch_every_few_seconds()
    daemon_controller.RELOAD_WORKSPACE_INTERVAL = RELOAD_SECONDS  # pyrefly: ignore[bad-assignment]
    remember_tables()
    wait_for_code_servers(workspace)
    with capture_interrupts(), DagsterInstance.get() as instance:
        instance.optimize_for_webserver(
            NO_TIMEOUT, pool_recycle=RECYCLE_SECONDS, max_overflow=MAX_OVERFLOW
        )
        with daemon_controller.daemon_controller_from_instance(
            instance, WorkspaceFileTarget([workspace])
        ) as controller:
            controller.check_daemon_loop()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m orchestration.daemon")
    parser.add_argument("--workspace", required=True, help="workspace.yaml of the code server")
    try:
        run(parser.parse_args(arguments).workspace)
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
