"""A database of an earlier version: its marts take the new columns, and one build fills them."""

import importlib
from typing import Any

import psycopg
import pytest

from tests.transform import marts
from tests.transform.building import Project
from tests.transform.histories import History
from tests.transform.raw_rows import load
from tests.transform.test_recording import owed

pytestmark = pytest.mark.integration

MIGRATION = importlib.import_module("actionsight.migrations.versions.0006_unbuilt_loads")
# What it adds, taken away again, as 0005 left it.
_AS_BEFORE = """
    drop trigger note_load on raw._dlt_loads;
    drop trigger forget_load on raw._dlt_loads;
    drop trigger note_batch on raw.webhook_batches;
    drop trigger note_polls on raw.polls;
    drop function raw.note_load, raw.forget_load, raw.note_batch, raw.note_polls, raw.watch_loads;
    drop table raw.unbuilt_loads, raw.unbuilt_polls, marts.collection_health_by_day;
    drop table marts.claimed_polls;
    alter table marts.workflow_runs drop column gone_at;
    alter table marts.workflow_run_attempts
        drop column gone_at,
        drop column was_seen_by_webhook,
        drop column was_seen_by_poll,
        drop column was_corrected,
        drop column webhook_only_job_count,
        drop column poll_only_job_count,
        drop column both_job_count,
        drop column corrected_job_count
"""
_COLUMNS = (
    "select table_name, column_name, data_type, is_nullable, column_default "
    "from information_schema.columns where table_schema = 'marts' order by 1, ordinal_position"
)


def test_an_upgrade_owes_all_loads_to_the_new_mart_and_loses_none(
    project: Project, database: psycopg.Connection[Any]
) -> None:
    first, second = History(9, run_count=20).batches(2)
    load(database, "load 1", first)
    project.run()
    columns = database.execute(_COLUMNS).fetchall()
    load(database, "load 2", second)
    for statement in _AS_BEFORE.split(";"):
        database.execute(statement)

    for statement in MIGRATION.STATEMENTS:
        database.execute(statement)
    noted = database.execute("select load_id from raw.unbuilt_loads").fetchall()
    listed = database.execute("select load_id from raw.loads").fetchall()
    project.run()

    assert sorted(noted) == sorted(listed)
    assert len(noted) == 4
    assert owed(database) == []
    assert database.execute(_COLUMNS).fetchall() == columns
    assert marts.differences(database) == []
    load(database, "load 3", {"workflow_runs": first["workflow_runs"][:1]})
    assert owed(database) == ["load 3"]
