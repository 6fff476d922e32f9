"""Dagster's code server: `python -m orchestration.code_server`, which forks its runs.

`dagster api grpc` starts each run in a new interpreter, which imports Dagster, dbt and dlt for six
seconds of CPU: longer than most runs work, and than a webhook should wait for its build. Here a
process that has imported them, and does nothing else, is forked (multiprocessing's fork server).
"""

import argparse
import logging
import multiprocessing
import sys
import threading
from collections.abc import Sequence
from typing import Any

from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.utils import FuturesAwareThreadPoolExecutor
from dagster._grpc.server import DagsterApiServer, DagsterGrpcServer
from dagster._utils.interrupts import setup_interrupt_handlers

from actionsight import logs
from actionsight.garbage import uncollected
from actionsight.settings import ROOT

DEFINITIONS = "orchestration.definitions"


class CodeServer(DagsterApiServer):
    """Dagster's, with another way to start a run's process; and it ends whatever it met before."""

    def __init__(self, **options: Any) -> None:
        self._mp_ctx: Any
        self._is_in_trouble = False
        super().__init__(**options)
        self._mp_ctx = multiprocessing.get_context("forkserver")

    def _check_for_orphaned_runs(self) -> None:
        """Dagster's thread that calls this twice a second would end for good where PostgreSQL does
        not answer, and no signal would end the server from then on: it waits for that thread to
        see the last run end."""
        try:
            super()._check_for_orphaned_runs()
        except Exception as error:
            if not self._is_in_trouble:
                self._logger.warning(
                    "Dagster cannot be told which runs have ended: %s", type(error).__name__
                )
            self._is_in_trouble = True
            # Who was killed is found by its lock, too (orchestration/liveness.py).
            is_ending = self._shutdown_once_executions_finish_event.is_set()
            with self._execution_lock:  # a run may start just now
                is_idle = not any(run.is_alive() for run, _ in self._executions.values())
            if is_ending and is_idle:
                self._server_termination_event.set()
        else:
            self._is_in_trouble = False


def serve(location_name: str, **address: Any) -> None:
    """Serve until a signal ends it; runs that are under way get the same signal.

    Args:
        address: `socket`, or `host` and `port`, as Dagster takes them.
    """
    setup_interrupt_handlers()
    logs.configure()
    logger = logging.getLogger("dagster.code_server")
    # Started with the first run: at a start of everything each core has enough to import.
    multiprocessing.set_forkserver_preload([DEFINITIONS])
    ended = threading.Event()
    executor = FuturesAwareThreadPoolExecutor()
    with uncollected():
        code_server = CodeServer(
            server_termination_event=ended,
            logger=logger,
            server_threadpool_executor=executor,
            loadable_target_origin=LoadableTargetOrigin(
                executable_path=sys.executable,
                module_name=DEFINITIONS,
                working_directory=str(ROOT),
            ),
            location_name=location_name,
        )
    server: Any = DagsterGrpcServer(ended, code_server, logger, executor, **address)
    server.serve()


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m orchestration.code_server")
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--socket", help="where to listen")
    place.add_argument("--port", type=int, help="where to listen for other machines")
    parser.add_argument("--host", default="127.0.0.1", help="the port's address")
    parser.add_argument("--location-name", required=True, help="what Dagster calls these assets")
    given = parser.parse_args(arguments)
    address = {"socket": given.socket} if given.socket else {"host": given.host, "port": given.port}
    try:
        serve(given.location_name, **address)
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
