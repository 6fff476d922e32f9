"""Schema `app` and the raw tables that collection keeps for itself, by Alembic.

Tables change by a revision in `versions/`. Functions, triggers and views stand once, as they are
now, in `sql/`, and every upgrade applies all of them: a change there comes with a revision, an
empty one if need be, whose `SQL_DIGEST` is that of the files.
"""

import logging
from pathlib import Path
from typing import Any

from psycopg import Connection, sql

from actionsight.database import connect, with_database
from actionsight.locks import MIGRATION_LOCK, keeping

DAGSTER_DATABASE = "dagster"
_FOLDER = Path(__file__).parent
# In this order: triggers call functions.
SQL_FILES = [_FOLDER / "sql" / f"{kind}.sql" for kind in ("functions", "triggers", "views")]
# What triggers and views stand on that no revision makes.
_TABLES_OF_DLT = [
    f"raw.{name}"
    for name in ("_dlt_loads", "repositories", "workflows", "workflow_runs", "workflow_jobs")
]
# The last commit that brings a database of a revision before the baseline up to it.
_LAST_BEFORE_BASELINE = "956eab0"

log = logging.getLogger(__name__)


class SchemaError(RuntimeError):
    """The database is not what this version works with; the message says what to do."""


def upgrade(database_url: str) -> bool:
    """Bring the database to the newest revision; two at once wait for each other.

    Gives whether there was anything to do.

    Raises:
        psycopg.Error: the server cannot be reached, or the role may not create schemas.
        SchemaError: a newer version of Actionsight brought it further, or an old one not so far
            that this one could go on.
    """
    with keeping(database_url) as locks, connect(database_url, autocommit=True) as connection:
        locks.execute("select pg_advisory_xact_lock(%s)", [MIGRATION_LOCK])
        before = revision_of(connection)
        refuse_foreign(before)
        if before == newest_revision():
            return False
        # With SQLAlchemy it takes long to import, and most commands find nothing to do.
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(_FOLDER))
        config.attributes["database_url"] = database_url
        command.upgrade(config, "head")
        return revision_of(connection) != before


def check(connection: Connection[Any]) -> None:
    """Raise unless the database is at the newest revision; changes nothing.

    Raises:
        SchemaError: it is older, newer, or none of ours; says what to do.
    """
    revision = revision_of(connection)
    refuse_foreign(revision)
    if revision != newest_revision():
        raise SchemaError(
            "the database is not up to date: run `actionsight migrate` (`make up` and "
            "`actionsight sync` do it, too), after ending what runs of an older version"
        )


def apply_sql_files(connection: Connection[Any]) -> None:
    """Make functions, triggers and views what `sql/` says; repeats harmlessly.

    Triggers and views stand on tables of dlt's as well: where these are missing, only functions are
    made, and whoever prepares the raw tables calls this again.
    """
    with connection.transaction():
        has_tables = connection.execute(
            "select bool_and(to_regclass(name) is not null) from unnest(%s::text[]) as name",
            [_TABLES_OF_DLT],
        ).fetchone()
        for path in SQL_FILES if has_tables == (True,) else SQL_FILES[:1]:
            connection.execute(path.read_bytes())


def refuse_foreign(revision: str | None) -> None:
    """Raise unless this version can bring a database of this revision to its own.

    Raises:
        SchemaError: a newer version made it, or one that was never released; says what to do.
    """
    known = _revisions()
    if revision is None or revision in known:
        return
    if revision > known[-1]:
        raise SchemaError(
            f"the database is at revision {revision}, which a newer version of Actionsight made, "
            f"and this one knows {known[-1]}: update Actionsight, or restore a backup"
        )
    raise SchemaError(
        f"the database is at revision {revision}, which was never released, and this version "
        f"begins at {known[0]}: run `actionsight migrate` of commit {_LAST_BEFORE_BASELINE} on it "
        "first, or begin with a new database"
    )


def newest_revision() -> str:
    """The revision that this version expects."""
    return _revisions()[-1]


def _revisions() -> list[str]:
    """The numbers of `versions/NNNN_….py`, the oldest first."""
    return sorted(path.name.partition("_")[0] for path in (_FOLDER / "versions").glob("[0-9]*.py"))


def revision_of(connection: Connection[Any]) -> str | None:
    """At which revision the database is; None where it has nothing of ours."""
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
    with keeping(database_url) as locks, connect(database_url, autocommit=True) as connection:
        locks.execute("select pg_advisory_xact_lock(%s)", [MIGRATION_LOCK])
        known = connection.execute(
            "select 1 from pg_database where datname = %s", [DAGSTER_DATABASE]
        ).fetchone()
        if known is None:
            connection.execute(
                sql.SQL("create database {}").format(sql.Identifier(DAGSTER_DATABASE))
            )
            log.info("created the database %s", DAGSTER_DATABASE)
