"""Writes rows into the raw tables as collection does: one load, unchanged rows left alone."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

Row = dict[str, Any]
Rows = Mapping[str, Iterable[Row]]

KEYS = {
    "repositories": ("repository_id",),
    "workflows": ("workflow_id",),
    "workflow_runs": ("run_id", "run_attempt"),
    "workflow_jobs": ("job_id",),
}


def load(
    connection: psycopg.Connection[Any], load_id: str, rows: Rows, *, commit: bool = True
) -> None:
    """Upsert `{table: rows}` as one committed load; rows that did not change keep their load.

    Without `commit` the caller's transaction decides when the load becomes visible.
    """
    for table, table_rows in rows.items():
        for row in table_rows:
            _upsert(connection, table, {**row, "_dlt_load_id": load_id})
    connection.execute(
        "insert into raw._dlt_loads (load_id, schema_name, status, inserted_at) "
        "values (%s, 'github', 0, now())",
        [load_id],
    )
    if commit:
        connection.commit()


def _upsert(connection: psycopg.Connection[Any], table: str, row: Row) -> None:
    content = {name: value for name, value in row.items() if name != "_dlt_load_id"}
    digest = hashlib.sha256(json.dumps(content, default=str, sort_keys=True).encode())
    values = {**row, "content_hash": digest.hexdigest()}
    names = [sql.Identifier(name) for name in values]
    statement = sql.SQL(
        "insert into raw.{table} as stored ({names}) values ({values}) "
        "on conflict ({key}) do update set {updates} "
        "where stored.content_hash is distinct from excluded.content_hash"
    ).format(
        table=sql.Identifier(table),
        names=sql.SQL(", ").join(names),
        values=sql.SQL(", ").join(sql.Placeholder() * len(names)),
        key=sql.SQL(", ").join(map(sql.Identifier, KEYS[table])),
        updates=sql.SQL(", ").join(sql.SQL("{0} = excluded.{0}").format(name) for name in names),
    )
    connection.execute(
        statement,
        [Jsonb(value) if isinstance(value, list) else value for value in values.values()],
    )
