"""Writes rows into the raw tables as collection does, by polling and by the drain of webhooks."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

Row = dict[str, Any]
Rows = Mapping[str, Iterable[Row]]

KEYS = {
    "repositories": ("repository_id",),
    "workflows": ("workflow_id", "repository_id"),
    "workflow_runs": ("run_id", "run_attempt"),
    "workflow_jobs": ("job_id",),
}
# What comes by direct loads.
LISTS = {
    "runner_prices": ("runner_class", "valid_from"),
    "runner_labels": ("label_pattern",),
    "repository_history": ("repository_id", "observed_at", "visibility", "default_branch"),
}
# What is of one state alone, and what says which load brought it.
_ALWAYS = {"status", "conclusion", "content_hash", "_dlt_load_id"}
STATE_COLUMNS = {
    "workflow_runs": {*_ALWAYS, "updated_at", "gone_at"},
    "workflow_jobs": {*_ALWAYS, "completed_at", "steps"},
}


def load(
    connection: psycopg.Connection[Any], load_id: str, rows: Rows, *, commit: bool = True
) -> None:
    """Upsert `{table: rows}` as one committed load; rows that did not change keep their load.

    Rows of webhook_runs and webhook_jobs become a batch of the drain beside it, and those of LISTS
    a direct load. Without `commit` the caller's transaction decides when it becomes visible.
    """
    observed = {table: rows.get(f"webhook_{table}", ()) for table in ("runs", "jobs")}
    if any(observed.values()):
        deliver(connection, f"{load_id}, webhooks", **observed)
    if any(rows.get(table) for table in LISTS):
        _load_lists(connection, f"{load_id}, lists", rows)
    for table in KEYS:
        for row in rows.get(table, ()):
            _upsert(connection, table, {**row, "_dlt_load_id": load_id})
    connection.execute(
        "insert into raw._dlt_loads (load_id, schema_name, status, inserted_at) "
        "values (%s, 'github', 0, now())",
        [load_id],
    )
    if commit:
        connection.commit()


def deliver(
    connection: psycopg.Connection[Any],
    batch_id: str,
    runs: Iterable[Row] = (),
    jobs: Iterable[Row] = (),
) -> None:
    """Store these observations as one batch of the drain, each of a delivery of its own."""
    counts = {"webhook_runs": 0, "webhook_jobs": 0}
    with connection.transaction(), connection.cursor() as cursor:
        for table, rows in (("webhook_runs", runs), ("webhook_jobs", jobs)):
            for row in rows:
                counts[table] += 1
                delivery_id = f"{batch_id}/{table}/{counts[table]}"
                cursor.execute(
                    "insert into raw.webhook_events (delivery_id, event, repository_id, "
                    "received_at, batch_id, outcome, headers) "
                    "values (%s, %s, %s, now(), %s, 'observed', '{}')",
                    [delivery_id, table, row["repository_id"], batch_id],
                )
                named = {"delivery_id": delivery_id, "batch_id": batch_id, **hashed(row)}
                cursor.execute(_insert_statement(table, tuple(named)), _values(named))
        cursor.execute(
            "insert into raw.webhook_batches values (%s, now(), %s, %s, %s, 0)",
            [batch_id, sum(counts.values()), *counts.values()],
        )


def _load_lists(connection: psycopg.Connection[Any], load_id: str, rows: Rows) -> None:
    for table, key in LISTS.items():
        for row in rows.get(table, ()):
            values = {**row, "load_id": load_id}
            statement = sql.SQL(
                "insert into raw.{table} ({names}) values ({values}) "
                "on conflict ({key}) do update set ({names}) = row ({excluded})"
            ).format(
                table=sql.Identifier(table),
                names=sql.SQL(", ").join(map(sql.Identifier, values)),
                values=sql.SQL(", ").join(map(sql.Placeholder, values)),
                key=sql.SQL(", ").join(map(sql.Identifier, key)),
                excluded=sql.SQL(", ").join(sql.Identifier("excluded", name) for name in values),
            )
            connection.execute(statement, values)
    connection.execute("insert into raw.direct_loads (load_id) values (%s)", [load_id])


def _upsert(connection: psycopg.Connection[Any], table: str, row: Row) -> None:
    content = {name: value for name, value in row.items() if name != "_dlt_load_id"}
    values = {**row, **hashed(content)}
    connection.execute(_upsert_statement(table, tuple(values)), _values(values))


@cache
def _upsert_statement(table: str, names: tuple[str, ...]) -> bytes:
    updates = [sql.SQL("{} = {}").format(sql.Identifier(n), _kept(table, n)) for n in names]
    statement = sql.SQL(
        "insert into raw.{table} as stored ({names}) values ({values}) "
        "on conflict ({key}) do update set {updates} "
        "where stored.content_hash is distinct from excluded.content_hash"
    ).format(
        table=sql.Identifier(table),
        names=sql.SQL(", ").join(map(sql.Identifier, names)),
        values=sql.SQL(", ").join(sql.Placeholder() * len(names)),
        key=sql.SQL(", ").join(map(sql.Identifier, KEYS[table])),
        updates=sql.SQL(", ").join(updates),
    )
    return statement.as_bytes()


def _kept(table: str, name: str) -> sql.Composed:
    """What a poll leaves: it never erases what describes a run or a job."""
    new = sql.SQL("excluded.{}").format(sql.Identifier(name))
    if table not in STATE_COLUMNS or name in STATE_COLUMNS[table]:
        return new
    kept = sql.SQL("coalesce({}, stored.{})").format(new, sql.Identifier(name))
    if name != "started_at":
        return kept
    return sql.SQL(
        "case when excluded.status in {0} > stored.status in {0} then {1} else {2} end"
    ).format(sql.SQL("('in_progress', 'completed')"), new, kept)


def hashed(content: Row) -> Row:
    """The row with a hash of its content, as collection gives it."""
    digest = hashlib.sha256(json.dumps(content, default=str, sort_keys=True).encode())
    return {**content, "content_hash": digest.hexdigest()}


@cache
def _insert_statement(table: str, names: tuple[str, ...]) -> bytes:
    comma = sql.SQL(", ")
    statement = sql.SQL("insert into raw.{} (received_at, {}) values (now(), {})").format(
        sql.Identifier(table),
        comma.join(map(sql.Identifier, names)),
        comma.join(sql.Placeholder() * len(names)),
    )
    return statement.as_bytes()


def _values(row: Row) -> list[Any]:
    return [Jsonb(value) if isinstance(value, list) else value for value in row.values()]
