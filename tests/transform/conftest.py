"""Builds against a database of the test's own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from actionsight.database import connect
from tests.transform.building import Project


@pytest.fixture
def project(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The dbt project, on a migrated database, writing to a folder of its own."""
    monkeypatch.setenv("ACTIONSIGHT_DATABASE_URL", database_url)
    monkeypatch.setenv("DBT_TARGET_PATH", str(tmp_path / "target"))
    monkeypatch.setenv("DBT_LOG_PATH", str(tmp_path / "logs"))
    return Project()


@pytest.fixture
def database(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with connect(database_url, autocommit=True) as connection:
        yield connection
