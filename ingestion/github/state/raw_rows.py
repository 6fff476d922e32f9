"""Rows of the raw tables as they are stored, by key, and the loads that brought them."""

from collections.abc import Iterable
from typing import Any, LiteralString

from psycopg import Connection, sql
from psycopg.rows import dict_row

from ingestion.github.schema import CONTENT_HASH, LOAD_ID, Column, Row, Table


def stored_states(
    connection: Connection[Any], table: Table, keys: Iterable[tuple[int, ...]]
) -> dict[tuple[int, ...], dict[str, Any]]:
    """Content hash and the columns that order states, of those rows that are stored, by key."""
    columns = list(zip(*keys, strict=True))
    query = sql.SQL(
        "select {columns} from {table} where ({key}) in (select * from unnest({arrays}))"
    ).format(
        columns=sql.SQL(", ").join(
            map(sql.Identifier, [*table.key, CONTENT_HASH, *table.order_columns])
        ),
        key=sql.SQL(", ").join(map(sql.Identifier, table.key)),
        table=sql.Identifier("raw", table.name),
        arrays=sql.SQL(", ").join([sql.SQL("%s::bigint[]")] * len(table.key)),
    )
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(query, [list(column) for column in columns]).fetchall()
    return {table.key_of(row): row for row in rows}


def stored_rows(
    connection: Connection[Any], table: Table, keys: Iterable[tuple[int, ...]]
) -> dict[tuple[int, ...], Row]:
    """The stored rows of these keys, as payloads would give them, by key."""
    columns = list(zip(*keys, strict=True))
    query = sql.SQL(
        "select {columns} from {table} where ({key}) in (select * from unnest({arrays}))"
    ).format(
        columns=as_payloads(table.columns),
        table=sql.Identifier("raw", table.name),
        key=sql.SQL(", ").join(map(sql.Identifier, table.key)),
        arrays=sql.SQL(", ").join([sql.SQL("%s::bigint[]")] * len(table.key)),
    )
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(query, [list(column) for column in columns]).fetchall()
    return {table.key_of(row): row for row in rows}


def newest_load_id(connection: Connection[Any], table: Table) -> str | None:
    """The load that changed a table last; None while it is empty."""
    query = sql.SQL("select max({load_id}) from {table}").format(
        load_id=sql.Identifier(LOAD_ID), table=sql.Identifier("raw", table.name)
    )
    [(load_id,)] = connection.execute(query).fetchall()
    return None if load_id is None else str(load_id)


_INCOMPLETE: LiteralString = """
    from raw.unbuilt_loads as noted
    where not exists (select from raw.loads where loads.load_id = noted.load_id)
"""


def has_incomplete_loads(connection: Connection[Any]) -> bool:
    """Whether rows are stored of a load that dlt has not noted: it is under way, or was killed."""
    row = connection.execute(f"select exists (select {_INCOMPLETE})").fetchone()
    return row == (True,)


def complete_loads(connection: Connection[Any]) -> list[str]:
    """Note these loads in dlt's place; gives their ids."""
    rows = connection.execute(
        f"""
        insert into raw._dlt_loads (load_id, status, inserted_at)
        select noted.load_id, 0, now() {_INCOMPLETE} returning load_id
        """
    ).fetchall()
    return [load_id for (load_id,) in rows]


def changed_by_load(connection: Connection[Any], table: Table, load_id: str) -> dict[int, int]:
    """How many rows of each repository a load inserted or changed."""
    query = sql.SQL(
        "select repository_id, count(*) from {table} where {load_id} = %s group by repository_id"
    ).format(table=sql.Identifier("raw", table.name), load_id=sql.Identifier(LOAD_ID))
    return dict(connection.execute(query, [load_id]).fetchall())


def as_payloads(columns: Iterable[Column]) -> sql.Composed:
    """Columns and their hash, JSON as the text in which it travels."""
    return sql.SQL(", ").join(
        [
            *(
                sql.SQL("{}::text").format(sql.Identifier(column.name))
                if column.kind == "json"
                else sql.Identifier(column.name)
                for column in columns
            ),
            sql.Identifier(CONTENT_HASH),
        ]
    )
