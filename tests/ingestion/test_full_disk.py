"""PostgreSQL's disk is full: drains, polls and builds fail, and the next ones make it good."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from werkzeug.wrappers import Request

from actionsight.database import connect
from actionsight.event_buffer import EventBuffer
from actionsight.settings import Settings
from ingestion.database_errors import LoadError
from ingestion.webhooks.drain import DrainError
from tests.ingestion.factories import installation
from tests.ingestion.test_interruptions import assert_exact, some_history
from tests.ingestion.webhooks import factories as webhooks
from tests.ingestion.webhooks.kill_process import assert_account
from tests.small_disk import SmallDisk, small_disk
from tests.support.dbt_project import WITHOUT_TESTS, Project, built_database
from tests.support.installation import settings_of
from tests.support.services import Databases, databases
from tests.transform import marts
from tests.transform.histories import History
from tests.transform.raw_rows import load
from tests.transform.test_recording import owed

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def disk(services_folder: Path) -> Iterator[SmallDisk]:
    with small_disk(services_folder / "full", megabytes=600) as mounted:
        yield mounted


@pytest.fixture(scope="module")
def server(disk: SmallDisk) -> Iterator[Databases]:
    with databases(disk.folder) as running:
        yield running


@pytest.fixture
def settings(
    server: Databases, redis_url: str, cache_url: str, tmp_path: Path
) -> Iterator[Settings]:
    with server.migrated() as url:
        yield settings_of(
            url, read_database_url=url, redis_url=redis_url, cache_url=cache_url, data_dir=tmp_path
        )


def test_webhooks_wait_for_room_and_none_becomes_a_dead_letter(
    disk: SmallDisk, settings: Settings
) -> None:
    buffer = EventBuffer(str(settings.redis_url))
    own = webhooks.Installation(settings, buffer)
    own.monitor(webhooks.REPOSITORY_ID)
    payload = webhooks.run_payload(description="x" * 5_000)
    ids = [own.send("workflow_run", payload) for _ in range(500)]
    with disk.full():
        for _ in range(7):  # more often than an event is taken that ends drains
            with pytest.raises(DrainError, match="No space left on device"):
                own.drain()
    own.drain()
    assert own.dead_letters() == {}
    assert_account(own, ids)
    buffer.close()


def test_a_poll_for_which_there_is_no_room_is_made_good(
    disk: SmallDisk, settings: Settings
) -> None:
    with installation(settings) as own:
        runs = some_history(own)
        # What was asked for cannot be loaded: repositories and workflows, runs, jobs.
        for number in (1, 6, 12):
            own.server.fault = filling_at_request(disk, number)
            with pytest.raises((LoadError, psycopg.errors.DiskFull), match="No space left"):
                own.collect()
            disk.empty()
        own.server.fault = None
        assert own.collect()[-1].troubles == {}
        assert_exact(own, runs)


def filling_at_request(disk: SmallDisk, number: int) -> Callable[[Request], None]:
    """Fills the disk while the nth request is answered."""
    count = 0

    def fault(_request: Request) -> None:
        nonlocal count
        count += 1
        if count == number:
            disk.fill()

    return fault


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("arguments", "models"),
    [
        pytest.param([], 0, id="at once"),
        pytest.param([], 4, id="amid"),
        pytest.param(["--full-refresh"], 8, id="in a full refresh"),
    ],
)
def test_a_build_for_which_there_is_no_room_is_made_good(
    disk: SmallDisk,
    server: Databases,
    services_folder: Path,
    arguments: list[str],
    models: int,
) -> None:
    made = 0

    def fill(event: Any) -> None:
        nonlocal made
        made += event.info.name == "LogModelResult"
        if made == models and not disk.is_full:
            disk.fill()

    with built_database(server, services_folder) as url, connect(url, autocommit=True) as database:
        first, second = History.of(6).batches(2)
        load(database, "load 1", first)
        Project().run()
        load(database, "load 2", second)
        try:
            outcome = Project().invoke("build", *WITHOUT_TESTS, *arguments, callbacks=(fill,))
        finally:
            disk.empty()
        assert not outcome.success
        Project().run()
        assert owed(database) == []
        assert marts.differences(database) == []
