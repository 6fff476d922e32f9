"""Runs dbt: in this process where only the result counts, else as a child that can be killed."""

import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from actionsight import runners
from actionsight.database import connect
from actionsight.settings import ROOT
from tests.support.services import Databases

DBT = Path(sys.executable).with_name("dbt")
# The result says it all; what dbt would log costs it a tenth of its time.
QUIETLY = ("--log-level", "none", "--log-level-file", "none", "--no-write-json")
WITHOUT_TESTS = ("--exclude-resource-type", "test", "--exclude-resource-type", "unit_test")
# Views are made anew by each build, as they were: a seventh of what it costs.
WITHOUT_VIEWS = ("--exclude", "config.materialized:view")

NAME = "dbt"
BUILT = "built"


@contextmanager
def unbuilt_database(server: Databases, folder: Path) -> Generator[str]:
    """A migrated database, with the shipped lists of runners, that the environment names to dbt.

    It has the same name each time, and dbt keeps in the same folder what it has parsed: a process
    of its own would for another address parse the whole project again.
    """
    with server.migrated(NAME) as url, environment_of_dbt(url, folder / "dbt"):
        with connect(url) as connection:
            runners.load(connection, folder)
        yield url


@contextmanager
def built_database(server: Databases, folder: Path) -> Generator[str]:
    """The same after a build of nothing: to make every table takes as long as a build."""
    if not server.has_template(BUILT):
        with unbuilt_database(server, folder):
            Project().run_all()
            server.keep(NAME, BUILT)
    with server.fresh(NAME, template=BUILT) as url, environment_of_dbt(url, folder / "dbt"):
        yield url


@contextmanager
def environment_of_dbt(database_url: str, folder: Path) -> Generator[None]:
    """Let the environment name a database and a folder to dbt, for the length of the context."""
    variables = {
        "ACTIONSIGHT_DATABASE_URL": database_url,
        "DBT_TARGET_PATH": str(folder / "target"),
        "DBT_LOG_PATH": str(folder / "logs"),
    }
    with patch.dict(os.environ, variables):
        yield


class Project:
    """The project at the root as set-up parsed it, in the database that the environment names."""

    def invoke(self, *arguments: str, callbacks: tuple[Callable[[Any], None], ...] = ()) -> Any:
        """Run dbt in this process; the result has `success`, `exception` and `result`."""
        # dbt's own modules warn while they are imported, which is not ours to mend.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from dbt.cli.main import dbtRunner

            from orchestration.modelling.parsed_project import parsed_project

            places = ["--project-dir", str(ROOT), "--profiles-dir", str(ROOT)]
            # A run changes what it is given: each has a copy of its own.
            parsed = parsed_project(os.environ["ACTIONSIGHT_DATABASE_URL"])
            runner = dbtRunner(parsed, list(callbacks))
            # dbt reads the source of every frame of the stack, six times; a thread's stack is low.
            with ThreadPoolExecutor(1) as thread:
                return thread.submit(runner.invoke, [*arguments, *QUIETLY, *places]).result()

    def run(self, *arguments: str) -> None:
        """Build the marts without their tests, and insist that it works."""
        self._succeed("build", *WITHOUT_TESTS, *WITHOUT_VIEWS, *arguments)

    def run_all(self, *arguments: str) -> None:
        """Build views and marts without their tests, and insist that it works."""
        self._succeed("build", *WITHOUT_TESTS, *arguments)

    def build(self, *arguments: str) -> None:
        """`dbt build`, and insist that it works."""
        self._succeed("build", *arguments)

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start what `run_all` does as a process of its own."""
        return subprocess.Popen(
            [DBT, "build", *WITHOUT_TESTS, *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def _succeed(self, *arguments: str) -> None:
        outcome = self.invoke(*arguments)
        assert outcome.success, outcome.exception or _failures(outcome)


def _failures(outcome: Any) -> list[str]:
    return [
        f"{each.node.name}: {each.message}" for each in outcome.result if each.status != "success"
    ]
