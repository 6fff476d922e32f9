"""Marts that are not as this version makes them: the next build makes them so."""

from typing import Any

import psycopg
import pytest

from tests.support.dbt_project import Project
from tests.transform import marts
from tests.transform.factories import run_row
from tests.transform.history_generator import History
from tests.transform.raw_rows import load
from tests.transform.test_recording import owed

pytestmark = pytest.mark.integration

# Keyed by a workflow's id alone, with a day that counts another repository's runs.
_OTHER_KEYS = """
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


def test_marts_with_other_keys_are_made_anew_by_the_build_after_an_upgrade_that_owes_it(
    project: Project, database: psycopg.Connection[Any]
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
    database.execute(_OTHER_KEYS)
    # As a revision that changes keys does.
    database.execute("insert into raw.owed_rebuilds (reason) values ('keys of workflows')")

    project.run()

    assert owed(database) == []
    assert database.execute("select count(*) from raw.owed_rebuilds").fetchone() == (0,)
    assert database.execute(_KEYS).fetchall() == keys
    assert marts.differences(database) == []


def test_a_mart_that_is_new_takes_in_all_loads(
    project: Project, database: psycopg.Connection[Any]
) -> None:
    first, second = History(9, run_count=20).batches(2)
    load(database, "load 1", first)
    project.run()
    load(database, "load 2", second)
    database.execute("drop table marts.collection_health_by_day")

    project.run()

    assert owed(database) == []
    assert marts.differences(database) == []
