"""Whole installations as processes, beside a stand-in GitHub that serves recorded history."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString

import pytest
from psycopg import sql

from actionsight.database import connect
from actionsight.settings import ROOT
from github_standin.histories import recording
from github_standin.server.server import Server, serving
from github_standin.world.world import World
from tests.support.services import Databases
from tests.transform.marts import KEYS

ACTIONSIGHT = Path(sys.executable).with_name("actionsight")


@dataclass(frozen=True)
class Installation:
    """An installation of its own, told by settings alone where everything is."""

    database_url: str
    data_dir: Path
    github: Server
    more: dict[str, str]

    @property
    def environment(self) -> dict[str, str]:
        """What a person would put into `.env`."""
        return {
            **{k: v for k, v in os.environ.items() if not k.startswith("ACTIONSIGHT_")},
            "ACTIONSIGHT_DATABASE_URL": self.database_url,
            "ACTIONSIGHT_DATA_DIR": str(self.data_dir),
            "ACTIONSIGHT_GITHUB_API_URL": self.github.url,
            "ACTIONSIGHT_GITHUB_TOKEN": "a-token",
            "ACTIONSIGHT_REPOSITORIES": "bitcoin/bitcoin",
            # The recording is of 2025, and nothing of it is shifted.
            "ACTIONSIGHT_BACKFILL_DAYS": "3650",
            **self.more,
        }

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start a command in a session of its own, so that it can be killed with its children."""
        return subprocess.Popen(
            [ACTIONSIGHT, *arguments],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str) -> str:
        """Run a command to its end, and insist that it works."""
        with self.start(*arguments) as process:
            output, _ = process.communicate()
        assert process.returncode == 0, output[-3000:]
        return output

    def rows(self, query: LiteralString) -> list[Any]:
        """The rows of a query."""
        with connect(self.database_url) as connection:
            return connection.execute(query).fetchall()

    def marts(self) -> dict[str, list[str]]:
        """Every row of every mart that does not tell how it was collected, as text."""
        query = sql.SQL("select mart::text from marts.{} as mart order by 1")
        with connect(self.database_url) as connection:
            return {
                mart: [row for (row,) in connection.execute(query.format(sql.Identifier(mart)))]
                for mart in KEYS
                if mart != "collection_health_by_day"
            }


def kill(process: "subprocess.Popen[str]") -> None:
    """SIGKILL a command and all that it started."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


@pytest.fixture(scope="session")
def github() -> Iterator[Server]:
    """The stand-in, with the whole recording as history."""
    world = World()
    recording.load(world, "bitcoin-core-ci")
    with serving(world, token="a-token") as server:
        yield server


@pytest.fixture(scope="session")
def addresses(_redis_server: str, _cache_server: str) -> dict[str, str]:
    return {"ACTIONSIGHT_REDIS_URL": _redis_server, "ACTIONSIGHT_CACHE_URL": _cache_server}


@pytest.fixture
def installation(
    postgres_server: Databases, addresses: dict[str, str], tmp_path: Path, github: Server
) -> Iterator[Installation]:
    """A new installation, with an empty database."""
    with postgres_server.fresh() as url:
        yield Installation(url, tmp_path, github, addresses)


@pytest.fixture(scope="session")
def synced(
    postgres_server: Databases,
    addresses: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
    github: Server,
) -> Iterator[Installation]:
    """An installation after one undisturbed `actionsight sync`; tests only read it.

    Its database was migrated before: an empty one is brought up to date by `up`.
    """
    with postgres_server.migrated() as url:
        made = Installation(url, tmp_path_factory.mktemp("synced"), github, addresses)
        made.run("sync")
        yield made
