"""Builds against a database of the test's own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from actionsight.database import connect
from tests.support.dbt_project import Project
from tests.support.services import Databases
from tests.transform.rendered_builds import EmptyDatabases, empty_databases


@pytest.fixture
def database_url(dbt_database_url: str) -> str:
    return dbt_database_url


@pytest.fixture
def project(database_url: str) -> Project:
    """The dbt project, on a migrated database."""
    return Project()


@pytest.fixture
def database(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with connect(database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="session")
def databases(postgres_server: Databases, services_folder: Path) -> Iterator[EmptyDatabases]:
    """Empty marts, built by what dbt renders."""
    with empty_databases(postgres_server, services_folder) as databases:
        yield databases
