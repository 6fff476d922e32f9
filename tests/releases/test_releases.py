"""What a released version left becomes what this version makes, and nothing is lost on the way."""

import dataclasses
import gzip
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg import sql

from actionsight import migrations, runners
from actionsight.database import connect
from actionsight.local.postgresql import PROGRAMS
from actionsight.settings import load
from ingestion.github.raw_tables import prepare
from tests.actionsight.test_migrations import schema
from tests.releases import kept
from tests.support.dbt_project import NAME, Project, environment_of_dbt
from tests.support.services import Databases
from tests.transform import marts

pytestmark = [
    pytest.mark.integration,
    pytest.mark.parametrize("release", kept(), ids=lambda path: path.name.removesuffix(".sql.gz")),
]


@pytest.fixture
def released(release: Path, postgres_server: Databases) -> Iterator[str]:
    """The database of a release, as its version left it."""
    with postgres_server.fresh(NAME) as url:
        subprocess.run(
            [PROGRAMS / "bin" / "psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", url],
            input=gzip.decompress(release.read_bytes()),
            stdout=subprocess.DEVNULL,
            check=True,
        )
        yield url


def upgrade(url: str, data_dir: Path) -> None:
    """What `actionsight migrate` does to Actionsight's database."""
    migrations.upgrade(url)
    prepare(dataclasses.replace(load(environ={}), database_url=url, data_dir=data_dir))
    with connect(url) as connection:
        runners.load(connection, data_dir)


def counts(url: str) -> dict[str, int]:
    """How many rows each table has that is not made again."""
    with connect(url) as connection:
        tables = connection.execute(
            "select schemaname, tablename from pg_tables where schemaname in ('app', 'raw')"
        ).fetchall()
        return {
            ".".join(names): connection.execute(
                sql.SQL("select count(*) from {}").format(sql.Identifier(*names))
            ).fetchall()[0][0]
            for names in tables
        }


def test_it_becomes_what_a_new_one_is_with_every_row(
    released: str, database_url: str, tmp_path: Path
) -> None:
    before = counts(released)
    assert min(before.values()) > 0

    upgrade(released, tmp_path)

    assert schema(released) == schema(database_url)
    after = counts(released)
    assert [table for table, count in before.items() if after.get(table, count) < count] == []


@pytest.mark.thorough
def test_its_marts_become_those_of_this_version(
    released: str, services_folder: Path, tmp_path: Path
) -> None:
    upgrade(released, tmp_path)
    with environment_of_dbt(released, services_folder / "dbt"):
        Project().run_all()
    with connect(released) as connection:
        assert marts.differences(connection) == []
