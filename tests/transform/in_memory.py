"""What collection leaves in the raw tables, without a database."""

from datetime import datetime
from typing import Any

from ingestion.github import schema
from tests.transform.raw_rows import KEYS, LISTS, STATE_COLUMNS, Row, Rows, hashed
from tests.transform.reference.raw import Raw

BEGUN = ("in_progress", "completed")
OF_POLLS = {"webhook_runs": "workflow_runs", "webhook_jobs": "workflow_jobs"}
COLUMNS = {table.name: [column.name for column in table.columns] for table in schema.TABLES}


def collected(*loads: Rows) -> Raw:
    """The raw tables after these loads of `{table: rows}`, whose times may be ISO texts.

    Of polls it keeps what `raw_rows.load` keeps; every row of webhook_runs and webhook_jobs.
    """
    stored: dict[str, dict[Any, Row]] = {table: {} for table in (*KEYS, *LISTS)}
    told: dict[str, list[Row]] = {"webhook_runs": [], "webhook_jobs": [], "polls": []}
    for table, row in ((name, row) for rows in loads for name in rows for row in rows[name]):
        if table in KEYS:
            key = tuple(row[name] for name in KEYS[table])
            kept = _kept(table, _parsed(hashed(row)), stored[table].get(key, {}))
            stored[table][key] = _full(table, kept, delivery_id=None)
        elif table in LISTS:
            stored[table][tuple(row[name] for name in LISTS[table])] = _parsed(row)
        elif table == "polls":
            told[table].append(_parsed(row))
        else:
            seen = _parsed(hashed(row))
            told[table].append(_full(OF_POLLS[table], seen, delivery_id="a delivery"))
    tables = {table: list(rows.values()) for table, rows in stored.items()}
    return Raw(
        attempts=tables.pop("workflow_runs") + told["webhook_runs"],
        jobs=tables.pop("workflow_jobs") + told["webhook_jobs"],
        polls=told["polls"],
        **tables,
    )


def _full(table: str, row: Row, *, delivery_id: str | None) -> Row:
    """A row of the raw table, with all its columns."""
    return {**dict.fromkeys(COLUMNS[table]), **row, "delivery_id": delivery_id}


def _kept(table: str, row: Row, stored: Row) -> Row:
    """What a poll leaves: it never erases what describes a run or a job."""
    state_columns = STATE_COLUMNS.get(table, set(row))
    kept = {
        name: stored.get(name) if value is None and name not in state_columns else value
        for name, value in row.items()
    }
    if "started_at" in row and row["status"] in BEGUN and stored.get("status") not in BEGUN:
        kept["started_at"] = row["started_at"]
    return {**stored, **kept}


def _parsed(row: Row) -> Row:
    return {
        name: datetime.fromisoformat(value)
        if isinstance(value, str) and name.endswith("_at") and value
        else value
        for name, value in row.items()
    }
