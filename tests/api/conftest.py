"""Fixtures: an application on a migrated database, marts to fill, a token that opens it."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from psycopg import Connection

from actionsight.api_tokens import create_token
from actionsight.database import connect
from actionsight.settings import Settings, load
from tests.api.client import ValidatingClient, app_of, make_client
from tests.api.marts import Marts
from tests.support.services import Databases


@pytest.fixture(scope="session")
def shared_database_url(postgres_server: Databases) -> Iterator[str]:
    with postgres_server.migrated() as url:
        yield url


@pytest.fixture
def database_url(shared_database_url: str) -> str:
    """One database for this folder, emptied: a clone per test would cost more than the tests."""
    with connect(shared_database_url, autocommit=True) as connection:
        connection.execute("drop schema if exists marts cascade")
        connection.execute("truncate app.api_tokens, app.purges, app.repositories cascade")
    return shared_database_url


@pytest.fixture
def settings(database_url: str) -> Settings:
    """The API needs nothing but a database."""
    return replace(load(environ={}), database_url=database_url)


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection[Any]]:
    with connect(database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def marts(connection: Connection[Any]) -> Marts:
    return Marts(connection)


@pytest.fixture
def app(settings: Settings) -> Iterator[Flask]:
    with app_of(settings) as app:
        yield app


@pytest.fixture
def client(app: Flask) -> ValidatingClient:
    return make_client(app)


@pytest.fixture
def token(connection: Connection[Any]) -> str:
    return create_token(connection, "test")[1]
