"""What is dumped while others work is the same when it is restored, row by row."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from actionsight.backups import databases
from actionsight.backups.errors import BackupError
from actionsight.database import connect
from actionsight.local.postgresql import NAME
from tests.support.services import Databases
from tests.transform import marts

pytestmark = pytest.mark.integration


def quietly(_: str) -> None:
    pass


def test_marts_are_the_same_and_belong_to_the_role_that_builds_them(
    postgres_server: Databases,
    history_database_url: str,
    empty_database_url: str,
    services_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PGOPTIONS", "-c nothing=that_is_ours")
    server, dump = postgres_server.server, services_folder / "dump"
    history, empty = (urlsplit(url).path[1:] for url in (history_database_url, empty_database_url))
    with connect(history_database_url) as connection:
        connection.execute("create schema raw_staging_of_dlt create table passing (n integer)")
        connection.commit()
        # A load empties such a table, and waits for nobody.
        connection.execute("lock table raw_staging_of_dlt.passing in access exclusive mode")
        databases.dump(server, history, dump, quietly)
        before = marts.read(connection)

    databases.load(server, empty, NAME, dump, quietly)

    with connect(empty_database_url) as connection:
        assert marts.read(connection) == before
        owners = connection.execute(
            "select distinct tableowner, schemaname from pg_tables "
            "where schemaname in ('app', 'intermediate', 'marts', 'raw') order by schemaname"
        ).fetchall()
        analysed = connection.execute("select count(*) > 0 from pg_stats").fetchone()
        passing = connection.execute("select to_regnamespace('raw_staging_of_dlt')").fetchone()
    assert owners == [(NAME, schema) for schema in ("app", "intermediate", "marts", "raw")]
    assert (analysed, passing) == ((True,), (None,))


def test_what_postgresql_refuses_is_told_in_its_words(
    postgres_server: Databases, empty_database_url: str, tmp_path: Path
) -> None:
    server, empty = postgres_server.server, urlsplit(empty_database_url).path[1:]
    with pytest.raises(BackupError, match=r'^pg_dump: error: .* database "none" does not exist$'):
        databases.dump(server, "none", tmp_path / "dump", quietly)
    with pytest.raises(BackupError, match=r"^pg_restore: error: "):
        databases.load(server, empty, NAME, tmp_path / "nothing", quietly)
