"""Schema `app` and the raw tables that collection keeps for itself, by Alembic."""

import logging
from pathlib import Path
from typing import Any

from psycopg import Connection, sql

from actionsight.database import connect, with_database

DAGSTER_DATABASE = "dagster"
_FOLDER = Path(__file__).parent
_LOCK = 0x616374696F6E7301  # "actions" and a number: one migration at a time

log = logging.getLogger(__name__)


class SchemaError(RuntimeError):
    """The database is not what this version works with; the message says what to do."""


def upgrade(database_url: str) -> bool:
    """Bring the database to the newest revision; two at once wait for each other.

    Gives whether there was anything to do.

    Raises:
        psycopg.Error: the server cannot be reached, or the role may not create schemas.
        SchemaError: a newer version of Actionsight brought it further.
    """
    with connect(database_url, autocommit=True) as connection:
        connection.execute("select pg_advisory_lock(%s)", [_LOCK])
        before = _revision(connection)
        _refuse_newer(before)
        if before == newest_revision():
            return False
        # With SQLAlchemy it takes long to import, and most commands find nothing to do.
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(_FOLDER))
        config.attributes["database_url"] = database_url
        command.upgrade(config, "head")
        return _revision(connection) != before


def check(connection: Connection[Any]) -> None:
    """Raise unless the database is at the newest revision; changes nothing.

    Raises:
        SchemaError: it is older, newer, or none of ours; says what to do.
    """
    revision = _revision(connection)
    _refuse_newer(revision)
    if revision != newest_revision():
        raise SchemaError(
            "the database is not up to date: run `actionsight migrate` (`make up` and "
            "`actionsight sync` do it, too), after ending what runs of an older version"
        )


def _refuse_newer(revision: str | None) -> None:
    if revision is not None and revision > newest_revision():
        raise SchemaError(
            f"the database is at revision {revision}, which a newer version of Actionsight made, "
            f"and this one knows {newest_revision()}: update Actionsight, or restore a backup"
        )


def newest_revision() -> str:
    """The revision that this version expects: the last of `versions/NNNN_….py`."""
    return max(path.name for path in (_FOLDER / "versions").glob("[0-9]*.py")).partition("_")[0]


def _revision(connection: Connection[Any]) -> str | None:
    exists = connection.execute("select to_regclass('app.alembic_version') is not null").fetchone()
    if exists != (True,):
        return None
    row = connection.execute("select version_num from app.alembic_version").fetchone()
    return None if row is None else str(row[0])


def with_dagster_database(database_url: str) -> str:
    """The address of Dagster's own database, on the same server."""
    return with_database(database_url, DAGSTER_DATABASE)


def create_dagster_database(database_url: str) -> None:
    """Make Dagster's database where it is missing.

    Raises:
        psycopg.Error: the role may not create databases.
    """
    with connect(database_url, autocommit=True) as connection:
        connection.execute("select pg_advisory_lock(%s)", [_LOCK])
        known = connection.execute(
            "select 1 from pg_database where datname = %s", [DAGSTER_DATABASE]
        ).fetchone()
        if known is None:
            connection.execute(
                sql.SQL("create database {}").format(sql.Identifier(DAGSTER_DATABASE))
            )
            log.info("created the database %s", DAGSTER_DATABASE)
