"""A database of an earlier version: `migrate` and one build bring it to what a new one would be."""

import importlib
from typing import Any

import psycopg
import pytest

from actionsight.settings import load as load_settings
from ingestion.github.prepare import prepare
from tests.transform import marts
from tests.transform.building import Project
from tests.transform.histories import History, run_row
from tests.transform.raw_rows import load
from tests.transform.test_recording import owed

pytestmark = pytest.mark.integration

VERSIONS = "actionsight.migrations.versions"
MIGRATION = importlib.import_module(f"{VERSIONS}.0006_unbuilt_loads")
MIGRATION_OF_WORKFLOWS = importlib.import_module(f"{VERSIONS}.0012_workflows_of_repositories")
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
# As 0011 left it, with a day that counts another repository's runs.
_AS_BEFORE_WORKFLOWS = """
    drop table raw.owed_rebuilds;
    alter table raw.workflows drop constraint workflows_pkey, add primary key (workflow_id);
    drop index raw.workflow_runs_workflow;
    create index workflow_runs_workflow on raw.workflow_runs (workflow_id, run_id);
    drop index raw.webhook_runs_repository_id_workflow_id_run_id_idx;
    create index on raw.webhook_runs (workflow_id, run_id);
    create table marts.old as
        select distinct on (workflow_id) * from marts.workflows order by workflow_id, is_stub;
    drop table marts.workflows cascade;
    alter table marts.old rename to workflows;
    alter table marts.workflows add primary key (workflow_id);
    create table marts.old as
        select distinct on (workflow_id, day) * from marts.workflow_statistics_by_day;
    drop table marts.workflow_statistics_by_day;
    alter table marts.old rename to workflow_statistics_by_day;
    alter table marts.workflow_statistics_by_day add primary key (workflow_id, day);
    update marts.workflow_statistics_by_day set run_count = run_count + 1 where workflow_id = 201
"""
_KEYS = (
    "select conrelid::regclass::text, pg_get_constraintdef(oid) from pg_constraint "
    "where contype in ('p', 'f') and connamespace in ('marts'::regnamespace, 'raw'::regnamespace) "
    "and conrelid::regclass::text not like 'marts.claimed%' order by 1, 2"
)
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


def test_marts_keyed_by_a_workflow_s_id_alone_are_made_anew_by_the_next_build(
    project: Project, database: psycopg.Connection[Any], database_url: str
) -> None:
    first, second = History(9, run_count=20).batches(2)
    load(database, "load 1", first)
    project.run()
    keys = database.execute(_KEYS).fetchall()
    shared = [
        run_row(9000 + repository_id, 1, "2026-03-05T10:00:00Z", repository_id=repository_id)
        for repository_id in (101, 102)
    ]
    load(database, "load 2", {**second, "workflow_runs": [*second["workflow_runs"], *shared]})
    project.run()
    for statement in _AS_BEFORE_WORKFLOWS.split(";"):
        database.execute(statement)

    for statement in MIGRATION_OF_WORKFLOWS.STATEMENTS:
        database.execute(statement)
    prepare(load_settings(environ={"ACTIONSIGHT_DATABASE_URL": database_url}))
    mixed = "select count(*) from marts.workflow_statistics_by_day where workflow_id = 201"
    assert database.execute(mixed).fetchone() == (0,)
    assert len(owed(database)) == 4
    project.run()

    assert owed(database) == []
    assert database.execute("select count(*) from raw.owed_rebuilds").fetchone() == (0,)
    assert database.execute(_KEYS).fetchall() == keys
    assert marts.differences(database) == []
