"""Reads the marts back."""

from typing import Any

import psycopg
from psycopg import sql

KEYS = {
    "repositories": "repository_id",
    "workflows": "workflow_id",
    "workflow_run_attempts": "run_id, run_attempt",
    "workflow_runs": "run_id",
    "jobs": "job_id",
    "workflow_statistics_by_day": "workflow_id, day",
}


def read(connection: psycopg.Connection[Any]) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every mart, in the order of its key."""
    return {mart: _rows(connection, mart, "*") for mart in KEYS}


def versions(connection: psycopg.Connection[Any]) -> dict[str, list[tuple[Any, ...]]]:
    """Which transaction wrote each row: equal before and after means that nothing was written."""
    return {mart: _rows(connection, mart, "xmin::text, ctid::text") for mart in KEYS}


def _rows(connection: psycopg.Connection[Any], mart: str, columns: str) -> list[tuple[Any, ...]]:
    query = f"select {columns} from marts.{mart} order by {KEYS[mart]}"  # noqa: S608 names of ours
    return connection.execute(sql.SQL(query)).fetchall()  # type: ignore[arg-type]
