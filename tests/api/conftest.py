"""Fixtures: an application on a migrated database, marts to fill, a token that opens it."""

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from psycopg import Connection
from werkzeug.routing import Rule

from actionsight.api_tokens import create_token
from actionsight.database import connect
from actionsight.settings import Settings
from tests.api.client import ValidatingClient, app_of, make_client
from tests.api.marts import Marts, make_marts
from tests.support.installation import settings_of
from tests.support.services import Databases, Reused


@pytest.fixture(scope="session", autouse=True)
def _routes_compiled_once() -> Iterator[None]:
    """Each test makes an application of the same routes, and to compile them is most of that."""
    compile_builder, compiled = Rule._compile_builder, {}

    def compile_once(rule: Rule, append_unknown: bool = True) -> Any:
        key = (append_unknown, *rule._trace, *(rule.defaults or {}).items())
        if key not in compiled:
            compiled[key] = compile_builder(rule, append_unknown)
        return compiled[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rule, "_compile_builder", compile_once)
        yield


@pytest.fixture(scope="session")
def database_before_builds(postgres_server: Databases) -> Iterator[Reused]:
    with postgres_server.reused() as database:
        yield database


@pytest.fixture(scope="session")
def database_with_marts(postgres_server: Databases) -> Iterator[Reused]:
    with postgres_server.reused(make_marts) as database:
        yield database


@pytest.fixture
def own_database_url(postgres_server: Databases) -> Iterator[str]:
    """For a test that changes tables or ends sessions: a database that no other test sees."""
    with postgres_server.migrated() as url:
        make_marts(url)
        yield url


@pytest.fixture
def database_url(request: pytest.FixtureRequest) -> str:
    """One database for this folder, emptied; with marts for a test that fills them."""
    if "own_database_url" in request.fixturenames:
        own: str = request.getfixturevalue("own_database_url")
        return own
    name = "database_with_marts" if "marts" in request.fixturenames else "database_before_builds"
    database: Reused = request.getfixturevalue(name)
    return database.emptied()


@pytest.fixture
def settings(database_url: str) -> Settings:
    """The API needs nothing but a database."""
    return settings_of(database_url)


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
