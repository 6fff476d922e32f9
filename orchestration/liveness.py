"""Whether a run's process lives: it holds a lock on Dagster's database as long as it does.

The lock ends with the connection that holds it, and the connection with the process, wherever that
runs and however it ends. Dagster's run monitoring asks the launcher, and reports the run of a
process that is gone as failed, so that it does not hold back the next one for ever.
"""

import logging
import threading
import time
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from dagster import DagsterInstance, DagsterRun, Executor, executor
from dagster._core.events import DagsterEvent
from dagster._core.execution.context.system import PlanOrchestrationContext
from dagster._core.execution.plan.plan import ExecutionPlan
from dagster._core.execution.retries import RetryMode
from dagster._core.executor.in_process import InProcessExecutor
from dagster._core.launcher import (
    CheckRunHealthResult,
    DefaultRunLauncher,
    RunLauncher,
    WorkerStatus,
)
from dagster_postgres.run_storage import PostgresRunStorage

from actionsight.database import connect
from actionsight.locks import RUN_LOCK

logger = logging.getLogger(__name__)

# A lock that is lost (the server was restarted) is taken again within seconds.
LOOK_SECONDS = 3
RETRY_SECONDS = 1
# A run waits for its lock no longer; without it, it works all the same.
TAKE_SECONDS = 15
# A run that began has its lock so soon, and one that ended writes its end so soon after it.
ABSENT_SECONDS = 15
FORGOTTEN_SECONDS = 120


def lock_key(run_id: str) -> int:
    """The second number of a run's lock, after `RUN_LOCK`."""
    return zlib.crc32(run_id.encode()) & 0x7FFF_FFFF


@contextmanager
def alive(database_url: str, run_id: str) -> Generator[None]:
    """Hold a run's lock for the length of the context, by a thread and a connection of its own."""
    taken, ended = threading.Event(), threading.Event()
    keeper = threading.Thread(
        target=_keep, args=(database_url, run_id, taken, ended), name="liveness", daemon=True
    )
    keeper.start()
    try:
        taken.wait(TAKE_SECONDS)
        yield
    finally:
        ended.set()
        keeper.join()


def _keep(database_url: str, run_id: str, taken: threading.Event, ended: threading.Event) -> None:
    while not ended.is_set():
        try:
            with connect(database_url) as connection:
                # Of a transaction and not of a session, which a pooler may hand to others. It has
                # no snapshot while it is idle, so it holds back no vacuum.
                connection.execute(
                    """
                    select
                        set_config('idle_in_transaction_session_timeout', '0', true),
                        set_config('tcp_keepalives_idle', '15', true),
                        set_config('tcp_keepalives_interval', '5', true),
                        set_config('tcp_keepalives_count', '3', true),
                        pg_advisory_xact_lock_shared(%s, %s)
                    """,
                    [RUN_LOCK, lock_key(run_id)],
                )
                taken.set()
                while not ended.wait(LOOK_SECONDS):
                    connection.execute("select 1")
        except psycopg.Error as error:
            logger.warning("The lock of this run is taken again: %s", error)
            ended.wait(RETRY_SECONDS)


def is_alive(database_url: str, run_id: str) -> bool:
    """Whether some process holds the run's lock."""
    with connect(database_url) as connection:
        row = connection.execute(
            """
            select exists (
                select from pg_locks
                inner join pg_database on pg_database.oid = pg_locks.database
                where locktype = 'advisory' and objsubid = 2 and datname = current_database()
                    and classid = %s and objid = %s
            )
            """,
            [RUN_LOCK, lock_key(run_id)],
        ).fetchone()
    return row == (True,)


class Live(RunLauncher):
    """A run launcher that can tell whether a run's process lives, wherever that runs.

    It also tells of runs that somebody else started, such as `actionsight sync`. Goes before one of
    Dagster's launchers, which starts and ends the processes.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # By run: since when monitoring has found no lock. Many runs end with one machine, so none
        # of them is waited for.
        self._absent_since: dict[str, float] = {}

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Run monitoring may ask."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Look for the run's lock; a run is lost once it was away from one look to another."""
        database_url = database_url_of(self._instance)
        if database_url is None or is_alive(database_url, run.run_id):
            self._absent_since.pop(run.run_id, None)
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        now = time.monotonic()
        # Those that have ended since are asked for no more.
        self._absent_since = {
            run_id: since
            for run_id, since in self._absent_since.items()
            if now - since < FORGOTTEN_SECONDS
        }
        if now - self._absent_since.setdefault(run.run_id, now) < ABSENT_SECONDS:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        gone = "the process of this run is gone; the next run goes on with its work"
        return CheckRunHealthResult(WorkerStatus.FAILED, gone)

    def get_run_worker_debug_info(
        self,
        run: DagsterRun,  # noqa: ARG002 Dagster gives it
        include_container_logs: bool | None = True,  # noqa: ARG002
    ) -> str | None:
        """Nothing: what launchers know beside this asks for more than they are told here."""
        return None


class LiveRunLauncher(Live, DefaultRunLauncher):
    """Dagster's default launcher, whose runs are of this machine."""


class LiveExecutor(InProcessExecutor):
    """Executes a run in the process that it was launched in, which holds the run's lock."""

    def execute(
        self, plan_context: PlanOrchestrationContext, execution_plan: ExecutionPlan
    ) -> Iterator[DagsterEvent]:
        """Execute all steps, one after the other."""
        database_url = database_url_of(plan_context.instance)
        if database_url is None:
            yield from super().execute(plan_context, execution_plan)
            return
        with alive(database_url, plan_context.run_id):
            yield from super().execute(plan_context, execution_plan)


@executor(name="in_process", config_schema={})
def live_executor(_: object) -> Executor:
    """All steps in one process, which tells that it lives."""
    return LiveExecutor(retries=RetryMode.ENABLED)


def database_url_of(instance: DagsterInstance) -> str | None:
    """Dagster's database; None for the instances of tests, which keep their runs in files."""
    storage = instance.run_storage
    if not isinstance(storage, PostgresRunStorage):
        return None
    return "postgresql://" + storage.postgres_url.partition("://")[2]
