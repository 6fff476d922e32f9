"""Reads the marts back."""

from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from actionsight.settings import ROOT
from tests.support.yaml_files import read_yaml
from tests.transform import comparison
from tests.transform.raw_rows import Row
from tests.transform.reference import compute
from tests.transform.reference.raw import Raw

MODELS = ROOT / "transform/models/marts"


def _keys(folder: Path) -> dict[str, tuple[str, ...]]:
    """The primary key of every mart, as its YAML declares it."""
    return {
        model["name"]: tuple(constraint["columns"])
        for path in sorted(folder.glob("*.yml"))
        for model in read_yaml(path).get("models", [])
        for constraint in model["constraints"]
        if constraint["type"] == "primary_key"
    }


KEYS = _keys(MODELS)


def read(connection: psycopg.Connection[Any]) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every mart, in the order of its key."""
    return {mart: _rows(connection, mart, "*") for mart in KEYS}


def read_one(connection: psycopg.Connection[Any], mart: str) -> list[tuple[Any, ...]]:
    """Every row of one mart."""
    return _rows(connection, mart, "*")


def read_dicts(connection: psycopg.Connection[Any], mart: str) -> list[Row]:
    """Every row of one mart, by the names of its columns."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            sql.SQL("select * from {}").format(sql.Identifier("marts", mart))
        ).fetchall()


def versions(connection: psycopg.Connection[Any]) -> dict[str, list[tuple[Any, ...]]]:
    """Which transaction wrote each row: equal before and after means that nothing was written."""
    return {mart: _rows(connection, mart, "xmin::text, ctid::text") for mart in KEYS}


def differences(connection: psycopg.Connection[Any]) -> list[comparison.Difference]:
    """Every (mart, key, column, stored, true) in which the marts depart from the definitions."""
    stored = {mart: read_dicts(connection, mart) for mart in KEYS}
    return comparison.differences(stored, compute(raw_of(connection)), KEYS)


def raw_of(connection: psycopg.Connection[Any]) -> Raw:
    """What the marts are computed from, as the raw tables hold it, and as retention left it."""
    alone = (
        "repositories",
        "workflows",
        "repository_history",
        "runner_prices",
        "runner_labels",
    )
    return Raw(
        attempts=_observations(connection, "workflow_runs", "webhook_runs", "condensed_runs"),
        jobs=_observations(connection, "workflow_jobs", "webhook_jobs", "condensed_jobs"),
        polls=[*_table(connection, "polls"), *_polls_that_went(connection)],
        **{table: _table(connection, table) for table in alone},
    )


def _observations(
    connection: psycopg.Connection[Any], polled: str, told: str, condensed: str
) -> list[Row]:
    found = [*_table(connection, polled), *_table(connection, told)]
    for row in _table(connection, condensed):
        # Without these it says what its last delivery said, and no more.
        assert not row.pop("was_waiting", False)
        assert not row.pop("was_action_required", False)
        found.append({**row, "delivery_id": "condensed"})
    own = {"_dlt_load_id", "batch_id", "received_at"}
    # What only polling can see, a webhook does not know.
    names = {"delivery_id", "gone_at", *(name for row in found for name in row)} - own
    return [{name: row.get(name) for name in names} for row in found]


def _polls_that_went(connection: psycopg.Connection[Any]) -> list[Row]:
    """A row for each poll of the days whose numbers alone are kept, as little as marts read."""
    return [
        {
            "poll_id": (day["repository_id"], day["day"], number),
            "repository_id": day["repository_id"],
            "started_at": datetime.combine(day["day"], time(), UTC),
            "request_count": 0 if number else day["request_count"],
            "error": "failed" if number < day["failed_poll_count"] else None,
        }
        for day in _table(connection, "polls_by_day")
        for number in range(day["poll_count"])
    ]


def _table(connection: psycopg.Connection[Any], table: str) -> list[Row]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            sql.SQL("select * from {}").format(sql.Identifier("raw", table))
        ).fetchall()


def foreign_key_count(connection: psycopg.Connection[Any]) -> int:
    """Validated foreign keys between the marts."""
    row = connection.execute(
        "select count(*) from pg_constraint "
        "where contype = 'f' and convalidated and connamespace = 'marts'::regnamespace"
    ).fetchone()
    return int(row[0]) if row else 0


def _rows(
    connection: psycopg.Connection[Any], mart: str, columns: LiteralString
) -> list[tuple[Any, ...]]:
    query = sql.SQL("select {} from {} order by {}").format(
        sql.SQL(columns),
        sql.Identifier("marts", mart),
        sql.SQL(", ").join(map(sql.Identifier, KEYS[mart])),
    )
    return connection.execute(query).fetchall()
