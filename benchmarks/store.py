"""A store of made-up marts for the benchmarks of the API, kept to be used again."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from psycopg import sql

from actionsight.database import connect, with_database
from actionsight.local import PostgresqlServer, hold
from tests.support.dbt_project import Project, environment_of_dbt
from tests.support.generated_marts import Size, fill
from tests.support.services import migrate


@contextmanager
def generated_store(folder: Path, size: Size) -> Generator[str]:
    """A database with marts of this size; made in the folder where it is not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)  # PostgreSQL runs as another user
    server = PostgresqlServer(
        folder / "postgres",
        # What is counted and timed is what was asked for.
        {"maintenance_work_mem": "1GB", "autovacuum": "off"},
    )
    name = f"jobs_{size.jobs}"
    with hold(server) as server_url:
        with connect(server.admin_url(), autocommit=True) as connection:
            names = [row[0] for row in connection.execute("select datname from pg_database")]
            if name not in names:
                began = time.perf_counter()
                connection.execute("drop database if exists unfinished")
                connection.execute("create database unfinished owner actionsight")
                _make(with_database(server_url, "unfinished"), folder, size)
                connection.execute(
                    sql.SQL("alter database unfinished rename to {}").format(sql.Identifier(name))
                )
                print(f"about {size.jobs:,} jobs made in {time.perf_counter() - began:,.0f} s")
        yield with_database(server_url, name)


def _make(url: str, folder: Path, size: Size) -> None:
    migrate(url, folder / "migration")
    with environment_of_dbt(url, folder / "dbt"):
        Project().run_all()
    with connect(url, autocommit=True) as connection:
        fill(connection, size)
