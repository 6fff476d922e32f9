"""Fixtures: real servers on free ports, and an installation's settings for them."""

import dataclasses
import fcntl
import gc
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from actionsight.local import ValkeyServer, hold
from actionsight.local.valkey import CACHE, EVENT_BUFFER
from actionsight.settings import ROOT, Settings, load
from tests.distribution import LongestFirst, place
from tests.support.dbt_project import built_database, unbuilt_database
from tests.support.services import Databases, databases
from tests.transform.built_history import history_database

MEMORY = Path("/dev/shm")  # noqa: S108 what is made there is made by tempfile
MEMORY_BYTES = 6 * 2**30
PREFIX = "actionsight-tests-"
MANIFEST = ".venv/share/actionsight/manifest.json"

# What is imported stays: to look through it for garbage is a sixth of what tests cost.
gc.set_threshold(50_000, 20, 50)


def pytest_configure() -> None:
    """Keep files in memory where there is room: a database is copied there in a third of the time,
    and no file of a test outlives it."""
    if "TMPDIR" not in os.environ and MEMORY.is_dir() and os.access(MEMORY, os.W_OK):
        for left in MEMORY.glob(f"{PREFIX}*"):
            if not _is_used(left):
                shutil.rmtree(left, ignore_errors=True)
        if shutil.disk_usage(MEMORY).free > MEMORY_BYTES:
            os.environ["TMPDIR"] = str(MEMORY)
            tempfile.tempdir = None
    if "PYTEST_XDIST_WORKER" not in os.environ:
        # Tests build what set-up parsed: whoever changed a model and runs them is not told of what
        # was before.
        subprocess.run(["make", "--silent", MANIFEST], cwd=ROOT, check=True)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: a test that waits for a server or a process needs none."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LongestFirst | None:
    return LongestFirst(config, log) if config.getoption("dist") == "loadfile" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first: one that began last would leave the other workers nothing to do."""
    items.sort(key=lambda item: place(item.nodeid))


def pytest_collection_finish() -> None:
    gc.freeze()


def _is_used(folder: Path) -> bool:
    """Whether the tests that made a folder go on, or it is somebody else's."""
    try:
        with (folder / "lock").open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    return False


@pytest.fixture(scope="session")
def services_folder() -> Iterator[Path]:
    """A folder that PostgreSQL's user can enter, which pytest's own is not when root runs it."""
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    folder.chmod(0o755)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder
        # Before it is let go: tests that begin meanwhile would take away what nobody uses.
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres_server(services_folder: Path) -> Iterator[Databases]:
    with databases(services_folder) as server:
        yield server


@pytest.fixture
def empty_database_url(postgres_server: Databases) -> Iterator[str]:
    with postgres_server.fresh() as url:
        yield url


@pytest.fixture
def database_url(postgres_server: Databases) -> Iterator[str]:
    with postgres_server.migrated() as url:
        yield url


@pytest.fixture
def dbt_database_url(postgres_server: Databases, services_folder: Path) -> Iterator[str]:
    """A database of the test's own, in which dbt has built nothing yet but empty tables."""
    with built_database(postgres_server, services_folder) as url:
        yield url


@pytest.fixture
def unbuilt_database_url(postgres_server: Databases, services_folder: Path) -> Iterator[str]:
    """The same before dbt's first build."""
    with unbuilt_database(postgres_server, services_folder) as url:
        yield url


@pytest.fixture
def history_database_url(postgres_server: Databases, services_folder: Path) -> Iterator[str]:
    """A database of the test's own with the marts of a random history."""
    with history_database(postgres_server, services_folder) as url:
        yield url


@pytest.fixture(scope="session")
def _redis_server(services_folder: Path) -> Iterator[str]:
    server = ValkeyServer(services_folder / "event-buffer", "event buffer", EVENT_BUFFER)
    with hold(server) as url:
        yield url


@pytest.fixture(scope="session")
def _cache_server(services_folder: Path) -> Iterator[str]:
    with hold(ValkeyServer(services_folder / "cache", "cache", CACHE)) as url:
        yield url


@pytest.fixture
def redis_url(_redis_server: str) -> str:
    return _emptied(_redis_server)


@pytest.fixture
def cache_url(_cache_server: str) -> str:
    return _emptied(_cache_server)


@pytest.fixture
def settings(database_url: str, redis_url: str, cache_url: str, tmp_path: Path) -> Settings:
    """An installation of its own: its database, its data folder, nothing monitored yet."""
    return dataclasses.replace(
        load(environ={}),
        database_url=database_url,
        read_database_url=database_url,
        redis_url=redis_url,
        cache_url=cache_url,
        data_dir=tmp_path / "data",
    )


def _emptied(url: str) -> str:
    with redis.Redis.from_url(url) as client:
        client.flushall()
    return url
