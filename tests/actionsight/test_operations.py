"""`actionsight migrate` brings along every database that it finds."""

import dataclasses

import pytest

from actionsight import migrations, operations
from actionsight.database import connect
from actionsight.settings import Settings
from tests.support.services import Databases

# Before Dagster's newest revision, which changes nothing in PostgreSQL.
BEFORE = "f495c27d5019"


@pytest.mark.integration
@pytest.mark.thorough
@pytest.mark.timeout(300)
def test_an_upgrade_brings_dagsters_tables_along(
    empty_database_url: str,
    postgres_server: Databases,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with postgres_server.fresh() as dagster_url:
        here = dataclasses.replace(
            settings,
            database_url=empty_database_url,
            read_database_url=None,
            dagster_database_url=dagster_url,
            github_api_url="http://127.0.0.1:1",
        )
        operations.migrate(here)
        newest = revision(dagster_url)
        with connect(dagster_url) as connection:
            connection.execute("update alembic_version set version_num = %s", [BEFORE])
        monkeypatch.setattr(migrations, "upgrade", lambda _: True)  # there was a revision
        operations.migrate(here)
        assert revision(dagster_url) == newest


def revision(dagster_url: str) -> list[tuple[str]]:
    with connect(dagster_url) as connection:
        return connection.execute("select version_num from alembic_version").fetchall()
