"""Runs go to workers with folders of their own; what one that is killed was doing another one does,
once, within a minute.

Each stands for a machine: nothing is shared but PostgreSQL, the Redis servers, and the stand-in.
"""

import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, LiteralString
from urllib.parse import urlsplit

import psutil  # pyrefly: ignore[untyped-import]
import pytest
from werkzeug.wrappers import Request

from actionsight.database import connect
from actionsight.settings import ROOT
from github_standin.server.server import Server
from tests.end_to_end.conftest import ACTIONSIGHT, Installation
from tests.support.ports import free_port
from tests.support.services import Databases

pytestmark = [pytest.mark.end_to_end, pytest.mark.thorough, pytest.mark.timeout(900)]

PATIENCE_SECONDS = 240
MADE_GOOD_SECONDS = 60
BUILDS = ("build", "full_build")
COLLECTIONS = ("collect", "backfill")
WAITING: LiteralString = """
    select from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock' and wait_event = 'relation'
"""
A_LOAD_OF_NOTHING: LiteralString = """
    insert into raw._dlt_loads (load_id, schema_name, status, inserted_at)
    values ('of nothing', 'github_repositories', 0, now())
"""
PID = re.compile(r"Started process for run \(pid: (\d+)\)")


def eventually(check: Callable[[], Any], within_seconds: float = PATIENCE_SECONDS) -> Any:
    """What the check gives, once that is something."""
    deadline = time.monotonic() + within_seconds
    while not (found := check()):
        assert time.monotonic() < deadline, f"it did not come true: {check}"
        time.sleep(0.2)
    return found


@dataclass
class Machines:
    """Where `actionsight up` runs, and workers on two others."""

    main: Installation
    dagster_url: str
    folder: Path
    workers: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def start(self, name: str, command: str) -> "subprocess.Popen[bytes]":
        """Start a command on a machine; what it says is in a log beside that machine's folder."""
        machine = replace(self.main, data_dir=self.folder / name)
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [ACTIONSIGHT, command],
                cwd=ROOT,
                env=machine.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def start_worker(self, name: str) -> None:
        """Start a worker on a machine of its own, or again there."""
        self.workers[name] = self.start(name, "worker")

    def said(self) -> str:
        """The last words of all of them."""
        logs = sorted(self.folder.glob("*.log"))
        return "\n".join(f"{log.name}: {log.read_text()[-3000:]}" for log in logs)

    def dagster(self, query: LiteralString, *given: Any) -> list[Any]:
        """The rows of a query of Dagster's database."""
        with connect(self.dagster_url) as connection:
            return connection.execute(query, given).fetchall()

    def processes(self) -> list[tuple[str, int]]:
        """Of each run the processes that began it, in order."""
        rows = self.dagster(
            "select run_id, event from event_logs where event like %s order by id",
            "%Started process for run%",
        )
        return [(run_id, int(pid)) for run_id, event in rows for pid in PID.findall(event)[:1]]

    def run_under_way(self, *jobs: str) -> tuple[str, int] | None:
        """A run that works, and its process."""
        working = self.dagster(
            "select run_id from runs where status = 'STARTED' and pipeline_name = any(%s)",
            list(jobs),
        )
        processes = dict(self.processes())
        found = [(run_id, processes[run_id]) for (run_id,) in working if run_id in processes]
        return found[0] if found else None

    def kill_worker_of(self, pid: int) -> str:
        """SIGKILL the worker whose run this is the process of, with all that it started."""
        parents = {parent.pid for parent in psutil.Process(pid).parents()}
        [name] = [name for name, each in self.workers.items() if each.pid in parents]
        os.killpg(self.workers[name].pid, signal.SIGKILL)
        self.workers[name].wait()
        return name

    def begun_since(self, run_id: str, *jobs: str) -> list[int]:
        """The processes of runs that began after another one did."""
        begun = [each for each, _ in self.processes()]
        since = begun[begun.index(run_id) + 1 :]
        rows = self.dagster("select run_id from runs where pipeline_name = any(%s)", list(jobs))
        processes = dict(self.processes())
        return [processes[each] for (each,) in rows if each in since]


@pytest.fixture
def machines(
    postgres_server: Databases, addresses: dict[str, str], github: Server, services_folder: Path
) -> Iterator[Machines]:
    with ExitStack() as stack:
        url = stack.enter_context(postgres_server.migrated())
        dagster_url = stack.enter_context(postgres_server.fresh())
        more = {
            **addresses,
            "ACTIONSIGHT_DAGSTER_DATABASE_URL": dagster_url,
            "ACTIONSIGHT_RUNS_BROKER_URL": urlsplit(addresses["ACTIONSIGHT_REDIS_URL"])
            ._replace(path="/1")
            .geturl(),
            "ACTIONSIGHT_SECRET_KEY": "k" * 32,
            "ACTIONSIGHT_API_PORT": str(free_port()),
            "ACTIONSIGHT_DAGSTER_PORT": str(free_port()),
        }
        folder = services_folder / "machines"
        folder.mkdir()
        made = Machines(Installation(url, folder / "main", github, more), dagster_url, folder)
        try:
            yield made
        finally:
            github.fault = None
            for worker in made.workers.values():
                if worker.poll() is None:
                    os.killpg(worker.pid, signal.SIGKILL)
                    worker.wait()


@dataclass
class Held:
    """Requests to GitHub that are not answered until they are let go."""

    after: int
    count: int = 0
    is_held: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)

    def __call__(self, _request: Request) -> None:
        self.count += 1
        if self.count > self.after:
            self.is_held.set()
            self.go_on.wait(PATIENCE_SECONDS)


def test_what_a_killed_worker_was_doing_is_done_once_by_another_within_a_minute(
    machines: Machines, synced: Installation, github: Server
) -> None:
    took: dict[str, float] = {}
    github.fault = held = Held(after=5)
    machines.start_worker("first")
    machines.start_worker("second")
    up = machines.start("main", "up")
    try:
        # In mid-collection: a first poll that has little to ask is through, and history follows.
        assert held.is_held.wait(PATIENCE_SECONDS), machines.said()
        collection, pid = eventually(lambda: machines.run_under_way(*COLLECTIONS))
        killed = machines.kill_worker_of(pid)
        began = time.monotonic()
        github.fault = None
        held.go_on.set()
        again, *_ = eventually(
            lambda: machines.begun_since(collection, *COLLECTIONS), MADE_GOOD_SECONDS
        )
        took["collection"] = time.monotonic() - began
        assert again != pid
        machines.start_worker(killed)

        # In mid-build.
        with connect(machines.main.database_url) as connection, connection.transaction():
            made = "select to_regclass('marts.built_loads')"
            eventually(lambda: machines.main.rows(made) != [(None,)])
            # What each build writes last.
            connection.execute("lock table marts.built_loads in exclusive mode")
            with connect(machines.main.database_url) as another:
                another.execute(A_LOAD_OF_NOTHING)
            eventually(lambda: machines.main.rows(WAITING))
            build, pid = eventually(lambda: machines.run_under_way(*BUILDS))
            machines.kill_worker_of(pid)
            began = time.monotonic()
        eventually(lambda: machines.begun_since(build, *BUILDS), MADE_GOOD_SECONDS)
        took["build"] = time.monotonic() - began

        # One worker is left, and does the rest.
        wanted = synced.marts()
        eventually(lambda: machines.main.marts() == wanted)
        failed = machines.dagster("select run_id from runs where status = 'FAILURE'")
        assert {run_id for (run_id,) in failed} >= {collection, build}
        retried = machines.dagster("select from run_tags where key = 'dagster/retry_number'")
        assert len(retried) >= 2
        begun = [run_id for run_id, _ in machines.processes()]
        assert len(begun) == len(set(begun)), "no run began twice"
    finally:
        up.send_signal(signal.SIGINT)
        try:
            up.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(up.pid, signal.SIGKILL)
            up.wait()
    print("\n".join(f"{seconds:5.1f} s until the {what} went on" for what, seconds in took.items()))  # noqa: T201
