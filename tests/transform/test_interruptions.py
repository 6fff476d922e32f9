"""Builds that die, and builds that meet."""

import subprocess
import time
from typing import Any

import psycopg
import pytest
from psycopg import sql

from actionsight.database import connect
from tests.support.dbt_project import Project
from tests.transform import marts
from tests.transform.histories import History
from tests.transform.raw_rows import load
from tests.transform.test_recording import owed

# The gate kills no process: what builds that died leave undone is made good in test_incremental,
# and what a build of some models leaves owed stands in test_recording.
pytestmark = [pytest.mark.integration, pytest.mark.thorough]


PATIENCE_SECONDS = 60


def _wait_until_blocked(database: psycopg.Connection[Any], build: "subprocess.Popen[str]") -> None:
    """Until a session of the build waits for a lock that we hold."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    query = (
        "select exists (select from pg_locks inner join pg_database on database = pg_database.oid "
        "where datname = current_database() and not granted)"
    )
    while database.execute(query).fetchone() != (True,):
        assert build.poll() is None, build.communicate()[0]
        assert time.monotonic() < deadline, "the build never reached the table"
        time.sleep(0.02)


def _end_waiting_sessions(database: psycopg.Connection[Any]) -> None:
    """As the end of the whole machine would: else the server goes on with what it was sent."""
    database.execute(
        """
        select pg_terminate_backend(pid)
        from pg_locks
        inner join pg_database on database = pg_database.oid
        where datname = current_database() and not granted
        """
    )


@pytest.mark.parametrize(
    "killed",
    [
        # Between two models, and before the loads are recorded.
        pytest.param([([], "workflow_runs"), ([], "built_loads")], id="twice"),
        pytest.param([(["--full-refresh"], "jobs")], id="in a full refresh"),
    ],
)
def test_builds_that_are_killed_are_made_good_by_the_next(
    project: Project,
    database: psycopg.Connection[Any],
    database_url: str,
    killed: list[tuple[list[str], str]],
) -> None:
    first, second = History.of(6).batches(2)
    load(database, "load 1", first)
    project.run()
    load(database, "load 2", second)

    for arguments, table in killed:
        _kill_before(table, project, arguments, database, database_url)
        assert owed(database) != []
    project.run()

    assert owed(database) == []
    assert marts.differences(database) == []


def _kill_before(
    table: str,
    project: Project,
    arguments: list[str],
    database: psycopg.Connection[Any],
    database_url: str,
) -> None:
    """Kill a build where it would write a table."""
    with psycopg.connect(database_url) as blocker:
        # Readers may pass, writers wait.
        blocker.execute(
            sql.SQL("lock table marts.{} in exclusive mode").format(sql.Identifier(table))
        )
        with project.start(*arguments) as build:
            try:
                _wait_until_blocked(database, build)
            finally:
                build.kill()
                _end_waiting_sessions(database)


def test_two_first_builds_at_once_leave_what_one_would(unbuilt_database_url: str) -> None:
    project = Project()
    first, second = History.of(8).batches(2)
    with connect(unbuilt_database_url, autocommit=True) as database:
        load(database, "load 1", first)
        _run_at_once(project, [], [])
        assert owed(database) == []

        load(database, "load 2", second)
        _run_at_once(project, [], ["--full-refresh"])

        assert owed(database) == []
        assert marts.differences(database) == []
        assert marts.foreign_key_count(database) >= 12


def _run_at_once(project: Project, *builds: list[str]) -> None:
    running = [project.start(*arguments) for arguments in builds]
    for build in running:
        output = build.communicate(timeout=PATIENCE_SECONDS)[0]
        assert build.returncode == 0, output
