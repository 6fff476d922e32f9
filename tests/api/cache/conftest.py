"""Fixtures: people who ask an application with a cache, and people who ask one without."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import redis
from flask import Flask
from psycopg import Connection

from actionsight.settings import Settings
from tests.api.cache.people import People
from tests.api.client import app_of
from tests.api.marts import Marts


@pytest.fixture
def settings(settings: Settings, cache_url: str) -> Settings:
    return replace(settings, cache_url=cache_url)


@pytest.fixture
def people(app: Flask, connection: Connection[Any]) -> People:
    return People(app, connection)


@pytest.fixture
def uncached(settings: Settings, connection: Connection[Any]) -> Iterator[People]:
    with app_of(replace(settings, cache_url=None)) as app:
        yield People(app, connection)


@pytest.fixture
def server(cache_url: str) -> Iterator["redis.Redis"]:
    with redis.Redis.from_url(cache_url) as client:
        yield client


@pytest.fixture
def history(marts: Marts) -> Marts:
    fill(marts)
    return marts


def fill(marts: Marts) -> None:
    """Three repositories with a workflow and a run each, built once; all else goes."""
    marts.clear()
    for number in (1, 2, 3):
        marts.repository(
            number,
            f"acme/r{number}",
            observed_until="2026-01-07 10:00Z",
            newest_observation_at="2026-01-07 09:00Z",
        )
        marts.workflow(number * 10, number, f"Build {number}")
        marts.run(number * 100, number * 10, "2026-01-01 00:00", duration_seconds=60 * number)
        marts.raise_version(number)
    marts.add_up_days()


def keys(server: "redis.Redis") -> set[bytes]:
    """The keys under which answers lie in the cache."""
    found: Any = server.keys("actionsight:answers:*")
    return set(found)
