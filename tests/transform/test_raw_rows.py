"""Rows that a test loads stand in the raw tables as the reference takes them without a database."""

import json
from datetime import date, datetime
from typing import Any

import pytest

from actionsight.database import connect
from tests.transform import marts
from tests.transform.histories import History
from tests.transform.in_memory import collected
from tests.transform.raw_rows import Row, load

pytestmark = pytest.mark.integration

# Who brought it, and columns of which tests fill none.
NOT_COMPARED = {"_dlt_load_id", "load_id", "delivery_id"}


def test_what_is_collected_in_memory_is_what_is_stored(unbuilt_database_url: str) -> None:
    batches = History.of(5, 40).batches(3)
    expected = collected(*batches)
    with connect(unbuilt_database_url, autocommit=True) as database:
        shipped = marts.raw_of(database)
        for number, rows in enumerate(batches):
            load(database, f"load {number}", rows)
        stored = marts.raw_of(database)

    assert len(expected.jobs) > 200
    for table in ("attempts", "jobs", "workflows", "repositories"):
        assert _comparable(getattr(stored, table)) == _comparable(getattr(expected, table)), table
    # The shipped lists are there already, and polls note when they saw a repository.
    for table in ("runner_prices", "runner_labels", "repository_history"):
        before = _comparable(getattr(shipped, table))
        now, wanted = _comparable(getattr(stored, table)), _comparable(getattr(expected, table))
        assert wanted <= now, table
        assert table == "repository_history" or len(now) <= len(before | wanted)


def _comparable(rows: list[Row]) -> set[str]:
    return {
        json.dumps(
            {name: value for name, value in row.items() if name not in NOT_COMPARED},
            default=_plain,
            sort_keys=True,
        )
        for row in rows
    }


def _plain(value: Any) -> Any:
    """A time in any zone, a day, or a price with any number of zeros."""
    if isinstance(value, datetime):
        return value.timestamp()
    return str(value) if isinstance(value, date) else float(value)
