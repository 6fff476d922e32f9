"""The raw tables that dlt owns, with the keys, indexes and triggers that dlt does not make.

dlt itself makes the tables, by loading no rows; so their columns come from one place. Everything
here can be repeated, and two at once wait for each other.
"""

import logging
from pathlib import Path
from typing import Any, LiteralString

from psycopg import Connection, sql

from actionsight.database import connect
from actionsight.locks import LOADING_LOCK, keeping
from actionsight.migrations import apply_sql_files
from actionsight.settings import Settings
from actionsight.shards import ALL
from ingestion.github.loader import Loader
from ingestion.github.locking import take_lock
from ingestion.github.schema import DATASET, LOAD_ID, PIPELINES, TABLES, Table

logger = logging.getLogger(__name__)

_LOADS_TABLE = "_dlt_loads"


def prepare(settings: Settings) -> None:
    """Make what is missing of the raw tables; nothing and quickly when all is there.

    Raises:
        psycopg.OperationalError: PostgreSQL cannot be reached.
    """
    if settings.database_url is None:
        raise ValueError("ACTIONSIGHT_DATABASE_URL is not set: where should the tables go?")
    with connect(settings.database_url, autocommit=True) as connection:
        if _is_prepared(connection):
            return
        with keeping(settings.database_url) as locks:
            take_lock(locks, LOADING_LOCK, "a collection is loading: waiting for it")
            _make(connection, settings.database_url, settings.data_dir / "dlt")
        logger.info("the raw tables are ready")


def _make(connection: Connection[Any], database_url: str, folder: Path) -> None:
    _make_tables(connection, database_url, folder)
    for table in TABLES:
        _make_key(connection, table)
    for name, table_name, definition in _indexes():
        connection.execute(
            sql.SQL("create index if not exists {} on {} {}").format(
                sql.Identifier(name),
                sql.Identifier(DATASET, table_name),
                sql.SQL(definition),
            )
        )
    apply_sql_files(connection)


def _make_tables(connection: Connection[Any], database_url: str, folder: Path) -> None:
    missing = {
        pipeline: tables
        for pipeline, tables in PIPELINES.items()
        if not all(_has_columns(connection, table) for table in tables)
    }
    if not missing:
        return
    loader = Loader(connection, database_url, folder, ALL, "preparation")
    empty = [
        loader.load_rows(pipeline, {table: [] for table in tables})
        for pipeline, tables in missing.items()
    ]
    # Loads that brought nothing would ask for a build.
    connection.execute(
        sql.SQL("delete from {} where load_id = any(%s)").format(
            sql.Identifier(DATASET, _LOADS_TABLE)
        ),
        [empty],
    )


def _make_key(connection: Connection[Any], table: Table) -> None:
    has_key = connection.execute(
        "select exists (select from pg_constraint where conrelid = %s::regclass and contype = 'p')",
        [f"{DATASET}.{table.name}"],
    ).fetchone()
    if has_key != (True,):
        connection.execute(
            sql.SQL("alter table {} add primary key ({})").format(
                sql.Identifier(DATASET, table.name),
                sql.SQL(", ").join(map(sql.Identifier, table.key)),
            )
        )


def _indexes() -> list[tuple[str, str, LiteralString]]:
    """Name, table and `(columns) …` of every index that dlt does not make."""
    indexes: list[tuple[str, str, LiteralString]] = [
        (f"{_LOADS_TABLE}_load_id", _LOADS_TABLE, "(load_id)")
    ]
    for table in TABLES:
        indexes.append((f"{table.name}_load", table.name, f"({LOAD_ID})"))
        indexes += [
            (f"{table.name}_{name}", table.name, definition)
            for name, definition in table.indexes.items()
        ]
    return indexes


def _is_prepared(connection: Connection[Any]) -> bool:
    names = [
        *(name for name, _, _ in _indexes()),
        *(f"{table.name}_pkey" for table in TABLES),
        "loads",
    ]
    row = connection.execute(
        """
        select
            (
                select bool_and(to_regclass('raw.' || quote_ident(name)) is not null)
                from unnest(%s::text[]) as name
            )
            and (
                select bool_and(relhastriggers) from pg_class
                where relnamespace = to_regnamespace('raw') and relname = any(%s)
            )
        """,
        [names, [_LOADS_TABLE, *(table.name for table in TABLES)]],
    ).fetchone()
    return row == (True,) and all(_has_columns(connection, table) for table in TABLES)


def _has_columns(connection: Connection[Any], table: Table) -> bool:
    row = connection.execute(
        """
        select count(*) from information_schema.columns
        where table_schema = %s and table_name = %s and column_name = any(%s)
        """,
        [DATASET, table.name, [column.name for column in table.columns]],
    ).fetchone()
    return row == (len(table.columns),)
