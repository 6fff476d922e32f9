"""What collection needs around it: a stand-in, PostgreSQL, Valkey, each a process of its own."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import redis
import requests

from actionsight.database import connect
from actionsight.local import PostgresqlServer, ValkeyServer, hold, standin_status
from actionsight.local.valkey import CACHE
from actionsight.repositories import add_selections
from actionsight.settings import ROOT, Settings
from actionsight.settings import load as load_settings
from tests.support.services import Databases

REPOSITORY = "octo/generated"
TOKEN = "collector"  # noqa: S105 the stand-in's, on this machine
# The generated history is a year long and ends yesterday.
BACKFILL_DAYS = 380
# One attempt in twenty-one is a second or later one.
ATTEMPTS_PER_RUN = 1.05


@dataclass(frozen=True)
class Standin:
    """GitHub's stand-in, and what it tells of itself."""

    url: str

    def status(self) -> dict[str, Any]:
        """`GET /standin`."""
        return standin_status(self.url)

    def request_count(self) -> int:
        """How many requests it has answered."""
        return int(self.status()["requests"]["total"])

    def spent(self) -> int:
        """How many of them counted against the hourly limit; asking costs nothing."""
        answer = requests.get(
            f"{self.url}/rate_limit",
            headers={"Authorization": f"Bearer {TOKEN}", "User-Agent": "benchmark"},
            timeout=30,
        )
        answer.raise_for_status()
        return int(answer.json()["rate"]["used"])


@contextmanager
def standin(
    attempts: int,
    *,
    latency: float | None = None,
    secondary_limits: bool = False,
    rate_limit: int = 0,
) -> Generator[Standin]:
    """A stand-in with a year of so many attempts, in a process of its own.

    Args:
        latency: median seconds of an answer; None: at once.
        secondary_limits: whether it enforces them.
        rate_limit: requests an hour; 0: it tells of no limits, as an Enterprise Server without.
    """
    command = [
        *(sys.executable, "-m", "github_standin"),
        *("--generated", str(round(attempts / ATTEMPTS_PER_RUN))),
        *("--token", TOKEN),
        *("--rate-limit", str(rate_limit)),
        *(("--latency", str(latency)) if latency else ()),
        *(("--secondary-limits",) if secondary_limits else ()),
    ]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Standin(process.stdout.readline().rpartition(" ")[2].strip())
        finally:
            process.terminate()


@dataclass(frozen=True)
class Machine:
    """The servers of an installation, and a folder."""

    databases: Databases
    cache_url: str
    folder: Path

    @contextmanager
    def installation(self, of: Standin) -> Generator[Settings]:
        """An installation that monitors the stand-in's repository and has stored nothing."""
        with (
            self.databases.migrated() as url,
            tempfile.TemporaryDirectory(dir=self.folder) as data_dir,
        ):
            with redis.Redis.from_url(self.cache_url) as cache:
                cache.flushall()
            with connect(url, autocommit=True) as connection:
                add_selections(connection, [REPOSITORY])
            yield replace(
                load_settings(environ={}),
                database_url=url,
                cache_url=self.cache_url,
                github_api_url=of.url,
                github_token=TOKEN,
                backfill_days=BACKFILL_DAYS,
                data_dir=Path(data_dir),
            )


@contextmanager
def machine() -> Generator[Machine]:
    """PostgreSQL and Valkey as an installation starts them."""
    with tempfile.TemporaryDirectory(prefix="actionsight-collection-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL runs as another user
        server = PostgresqlServer(folder / "postgres")
        with (
            hold(server) as server_url,
            hold(ValkeyServer(folder / "cache", "the cache", CACHE)) as cache_url,
            connect(server.admin_url(), autocommit=True) as admin,
        ):
            made = Databases(server, server_url, admin, folder / "migration")
            yield Machine(made, cache_url, folder)


def in_a_process(module: str, arguments: Sequence[str], settings: Settings) -> dict[str, Any]:
    """Run a module of this package to its end; gives the JSON of its last line.

    Raises:
        SystemExit: it failed.
    """
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("ACTIONSIGHT_")}
    done = subprocess.run(
        [sys.executable, "-m", f"{__package__}.{module}", *arguments],
        cwd=ROOT,
        env={**inherited, **settings.environment()},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{module} failed:\n{done.stdout}\n{done.stderr}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result
