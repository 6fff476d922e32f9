"""An installation that collects from the stand-in."""

import dataclasses
from collections.abc import Iterator

import pytest
import redis

from actionsight.github import pagination
from actionsight.settings import Settings, load
from ingestion.github.runs import listing
from tests.ingestion.factories import LISTED, PAGE, Installation, installation
from tests.ingestion.scenarios import Scenario, play
from tests.support.services import Databases


@pytest.fixture
def own(settings: Settings) -> Iterator[Installation]:
    with installation(settings) as made:
        yield made


@pytest.fixture
def short_listings(monkeypatch: pytest.MonkeyPatch) -> None:
    """A listing seems to show no more than `LISTED` runs, on pages of `PAGE`: what becomes of a
    thousand and more costs a tenth."""
    monkeypatch.setattr(pagination, "PAGE_SIZES", (PAGE, 5))
    monkeypatch.setattr(listing, "LISTING_CAP", LISTED)


@pytest.fixture(scope="module")
def failures(
    request: pytest.FixtureRequest,
    postgres_server: Databases,
    _redis_server: str,
    _cache_server: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[Scenario, Exception]:
    """What failed of the module's `SCENARIOS`, which go through the same polls."""
    for each in (_redis_server, _cache_server):
        with redis.Redis.from_url(each) as client:
            client.flushall()
    with postgres_server.migrated() as url:
        settings = dataclasses.replace(
            load(environ={}),
            database_url=url,
            read_database_url=url,
            redis_url=_redis_server,
            cache_url=_cache_server,
            data_dir=tmp_path_factory.mktemp("data"),
        )
        with installation(settings) as made:
            return play(made, request.module.SCENARIOS)
