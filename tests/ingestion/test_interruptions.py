"""Collection that is killed, or that runs twice at once, ends with the rows of an undisturbed one.

The process that is killed runs the real command; it is killed by the stand-in at a request, or
while it waits for a lock on a table that it loads.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, LiteralString

import pytest
from werkzeug.wrappers import Request

from actionsight.settings import ROOT, Settings
from github_standin.world.model import Run
from tests.ingestion import killable_commands
from tests.ingestion.factories import (
    MINUTE,
    Installation,
    attempts_of,
    installation,
    job,
    jobs_of,
    run,
    workflow,
)
from tests.support.dbt_project import Project, built_database
from tests.support.services import Databases
from tests.support.signals import as_in_the_background
from tests.transform import marts
from tests.transform.test_recording import owed

pytestmark = pytest.mark.integration

PATIENCE_SECONDS = 60


def start(own: Installation, *arguments: str) -> "subprocess.Popen[str]":
    """The command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "ingestion.github", *arguments],
        cwd=ROOT,
        env={**os.environ, **own.settings.environment()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=as_in_the_background,
    )


def some_history(own: Installation) -> list[Run]:
    """Runs of two repositories, one of them run twice; monitored, not collected."""
    own.clock.now = datetime.now(UTC).replace(microsecond=0)
    hello, other = workflow(own.world), workflow(own.world, "octo/other")
    runs = [
        run(of, own.world, own.clock.now - number * 90 * MINUTE)
        for of in (hello, other)
        for number in range(1, 7)
    ]
    again = own.clock.now - 20 * MINUTE
    own.world.add_attempt(runs[2], again, [job("test", again)])
    own.monitor("octo/hello", "octo/other")
    return runs


def kill_at_request(own: Installation, number: int) -> None:
    """Run a poll that is killed when it makes its nth request."""
    count = 0
    killed = None

    def fault(_request: Request) -> None:
        nonlocal count
        count += 1
        if count == number and killed is not None:
            killed.kill()

    own.server.fault = fault
    killed = killable_commands.forked(killable_commands.poll, own.settings.environment())
    killed.start()
    killed.join(PATIENCE_SECONDS)
    own.server.fault = None
    assert killed.exitcode == -signal.SIGKILL


@contextmanager
def locked(own: Installation, table: LiteralString) -> Generator[None]:
    """Nobody else can write a table for so long."""
    with own.connect() as connection, connection.transaction():
        connection.execute(f"lock table {table} in exclusive mode")
        yield


def kill_in_load(own: Installation, table: LiteralString, once: LiteralString = "select") -> None:
    """Run a poll that is killed while it waits to load into a table, once something is there."""
    with locked(own, table):
        killed = killable_commands.forked(killable_commands.poll, own.settings.environment())
        killed.start()
        deadline = time.monotonic() + PATIENCE_SECONDS
        waiting: LiteralString = """
            from pg_stat_activity
            where datname = current_database() and wait_event_type = 'Lock'
                and wait_event = 'relation'
        """
        while (
            not (own.query(f"select {waiting}") and own.query(once)) and time.monotonic() < deadline
        ):
            time.sleep(0.02)
        killed.kill()
        killed.join(PATIENCE_SECONDS)
        # PostgreSQL would finish the statement that it waits with, for nobody.
        own.query(f"select pg_terminate_backend(pid, 5000) {waiting}")
    assert killed.exitcode == -signal.SIGKILL


def assert_exact(own: Installation, runs: list[Run]) -> None:
    assert own.attempts() == attempts_of(*runs)
    assert own.jobs() == jobs_of(*runs)
    for doubled in (
        "select from raw.workflow_runs group by run_id, run_attempt having count(*) > 1",
        "select from raw.workflow_jobs group by job_id having count(*) > 1",
    ):
        assert own.query(doubled) == []
    assert len(own.query("select * from raw.repositories")) == 2
    assert len(own.query("select * from raw.workflows")) == 2


def test_killed_again_and_again_while_it_asks_github(own: Installation) -> None:
    runs = some_history(own)
    for number in (3, 9, 15):
        kill_at_request(own, number)
    results = own.collect()
    assert results[-1].troubles == {}
    assert_exact(own, runs)


@pytest.mark.parametrize(
    "table",
    [
        "raw_staging_poll_runs.workflow_runs",
        "raw.workflow_jobs",
    ],
)
def test_killed_while_it_loads(own: Installation, table: LiteralString) -> None:
    runs = some_history(own)
    own.collect()
    of = next(iter(own.world.workflows.values()))
    runs += [run(of, own.world, own.clock.now - number * MINUTE) for number in range(5, 8)]
    kill_in_load(own, table)
    results = own.collect()
    assert results[-1].troubles == {}
    assert_exact(own, runs)
    own.paths()
    own.collect()
    assert not [path for path in own.paths() if path.endswith("/jobs")]


@pytest.mark.parametrize("table", ["raw.workflows", "raw._dlt_loads"])
def test_what_a_worker_that_is_lost_had_stored_waits_for_a_build(
    own: Installation, table: LiteralString, tmp_path: Path
) -> None:
    runs = some_history(own)
    kill_in_load(own, table, once="select from raw.repositories")
    own.settings = replace(own.settings, data_dir=tmp_path / "elsewhere")
    own.collect()
    assert_exact(own, runs)
    noted = {row["load_id"] for row in own.query("select load_id from raw.unbuilt_loads")}
    assert own.loads_of_rows() <= noted
    polled = own.query("select distinct unnest(load_ids) as load_id from raw.polls")
    assert own.loads_of_rows() <= {row["load_id"] for row in polled} & own.loads()


@pytest.mark.thorough
@pytest.mark.parametrize("table", ["raw.workflows", "raw._dlt_loads"])
def test_marts_need_no_worker_to_come_back(
    postgres_server: Databases,
    services_folder: Path,
    settings: Settings,
    table: LiteralString,
    tmp_path: Path,
) -> None:
    with (
        built_database(postgres_server, services_folder) as url,
        installation(replace(settings, database_url=url, data_dir=tmp_path)) as own,
        own.connect() as database,
    ):
        some_history(own)
        kill_in_load(own, table, once="select from raw.repositories")
        Project().run()
        assert owed(database) == []
        assert marts.differences(database) == []
        own.settings = replace(own.settings, data_dir=tmp_path / "elsewhere")
        own.collect()
        Project().run()
        assert owed(database) == []
        assert marts.differences(database) == []


def test_a_worker_that_comes_back_does_not_load_what_it_had_left(
    own: Installation, tmp_path: Path
) -> None:
    runs = some_history(own)
    own.collect()
    of = next(iter(own.world.workflows.values()))
    runs.append(run(of, own.world, own.clock.now - MINUTE))
    here = own.settings
    kill_in_load(own, "raw_staging_poll_runs.workflow_runs")
    own.clock.advance(60 * MINUTE)
    own.settings = replace(here, data_dir=tmp_path / "elsewhere")
    own.collect()
    assert_exact(own, runs)
    loads = own.loads_of_rows()
    own.settings = here
    own.clock.advance(MINUTE)
    own.collect()
    assert own.loads_of_rows() == loads


def test_what_a_killed_poll_had_fetched_is_a_new_observation_once_it_is_loaded(
    own: Installation,
) -> None:
    some_history(own)
    kill_in_load(own, "raw.workflow_jobs")
    own.clock.advance(60 * MINUTE)
    own.collect()
    rows = own.query("select distinct newest_observation_at from app.repositories")
    assert rows == [{"newest_observation_at": own.clock.now}]


def test_a_damaged_local_folder_heals(own: Installation) -> None:
    runs = some_history(own)
    own.collect()
    folder = own.settings.data_dir / "dlt" / "poll" / "github_runs"
    of = next(iter(own.world.workflows.values()))
    for damaged in ("state.json", "schemas/github_runs.schema.json", "**/*.json"):
        for path in folder.glob(damaged):
            path.write_text("{", encoding="utf-8")
        own.clock.advance(60 * MINUTE)
        runs.append(run(of, own.world, own.clock.now - 9 * MINUTE))
        results = own.collect()
        assert results[-1].troubles == {}, damaged
        assert_exact(own, runs)


def test_two_polls_at_once_wait_for_each_other(own: Installation) -> None:
    runs = some_history(own)
    environment = own.settings.environment()
    processes = [killable_commands.forked(killable_commands.poll, environment) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(PATIENCE_SECONDS)
    assert [process.exitcode for process in processes] == [0, 0]
    assert_exact(own, runs)
    cycles = own.query(
        """
        select min(started_at) as began, max(ended_at) as ended from raw.polls
        group by poll_id order by 1
        """
    )
    assert len(cycles) == 2
    assert cycles[0]["ended"] <= cycles[1]["began"]
    changed: list[dict[str, Any]] = own.query(
        "select sum(changed) as rows from raw.polls where loop = 'jobs' group by poll_id"
    )
    assert sorted(row["rows"] for row in changed) == [0, len(jobs_of(*runs))]


def test_ctrl_c_ends_it_with_one_sentence(own: Installation) -> None:
    some_history(own)
    process: subprocess.Popen[str] | None = None

    def fault(request: Request) -> None:
        # Once, as a person does: many requests are under way.
        if request.path.endswith("/jobs") and process is not None and not is_pressed.is_set():
            is_pressed.set()
            process.send_signal(signal.SIGINT)

    is_pressed = threading.Event()
    own.server.fault = fault
    process = start(own, "--quiet", "poll")
    _, errors = process.communicate(timeout=PATIENCE_SECONDS)
    assert (process.returncode, errors.strip()) == (
        130,
        "stopped; the next collection goes on from here",
    )
