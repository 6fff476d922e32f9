"""Builds against a database of the test's own."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from actionsight.database import connect
from tests.support.dbt_project import Project


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
