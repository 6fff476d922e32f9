"""Marts that are not as this version makes them: the next build makes them so."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from dbt.contracts.graph.manifest import Manifest

from orchestration.modelling import parsed_project as parsing
from tests.support.dbt_project import Project
from tests.transform import marts
from tests.transform.histories import History
from tests.transform.raw_rows import load
from tests.transform.test_recording import owed

pytestmark = pytest.mark.integration

# As another program made it: with another key, and not known to ours. And a queue of before.
_NOT_OURS = """
    delete from marts.models where model = 'workflow_statistics_by_day';
    alter table marts.workflow_statistics_by_day drop constraint workflow_statistics_by_day_pkey;
    alter table marts.workflow_statistics_by_day add primary key (workflow_id, day, repository_id);
    update marts.workflow_statistics_by_day set run_count = run_count + 1;
    alter table intermediate.touched__branch_health_intervals drop column since
"""


def test_marts_that_are_missing_or_have_another_key_are_made_anew_with_all_that_they_touch(
    project: Project, database: psycopg.Connection[Any]
) -> None:
    first, second = History.of(9, run_count=20).batches(2)
    load(database, "load 1", first)
    project.run()
    # It moves runs from days that no row of the old table will tell of.
    load(database, "load 2", second)
    database.execute(_NOT_OURS)
    database.execute("drop table marts.collection_health_by_day")

    project.build("--exclude-resource-type", "unit_test")

    assert owed(database) == []
    assert marts.differences(database) == []


def test_another_version_of_a_mart_is_rebuilt_in_chunks_between_hot_builds(
    project: Project, database: psycopg.Connection[Any]
) -> None:
    first, second = History.of(9, run_count=40).batches(2)
    load(database, "load 1", first)
    project.run()
    days = len(marts.read_one(database, "workflow_statistics_by_day"))
    # Rows of an earlier version, the newest of nothing, with other columns and another index.
    database.execute(
        """
        update marts.models set version = 0 where model = 'workflow_statistics_by_day';
        update marts.models set definition = null, built_at = null
        where model = 'repository_statistics_by_day';
        update marts.workflow_statistics_by_day set run_count = 1000000;
        insert into marts.workflow_statistics_by_day
            select made.*
            from (select * from marts.workflow_statistics_by_day limit 1) as stored
            cross join generate_series(1, 2000) as number
            cross join jsonb_populate_record(
                null::marts.workflow_statistics_by_day,
                to_jsonb(stored) || jsonb_build_object('day', '2100-01-01'::date + number)
            ) as made;
        alter table marts.workflow_statistics_by_day add column gone text;
        alter table marts.workflow_statistics_by_day drop column rerun_rate cascade;
        create index other on marts.workflow_statistics_by_day (run_count);
        alter table marts.workflow_statistics_by_day set (fillfactor = 100)
        """
    )
    load(database, "load 2", second)
    assert days > 3

    project.run("--selector", "hot")

    assert built_at(database, "workflow_statistics_by_day") is None
    # Nor is all there that one reads from it.
    assert built_at(database, "repository_statistics_by_day") is None
    assert built_at(database, "workflow_runs") is not None
    # What several parents and the table itself know stands in the queue once.
    assert database.execute(
        "select count(*) > 0, count(*) = count(distinct (repository_id, workflow_id, day)) "
        "from intermediate.touched__workflow_statistics_by_day"
    ).fetchone() == (True, True)
    assert database.execute(
        "select count(*) filter (where day > '2100-01-01'), max(run_count) "
        "from marts.workflow_statistics_by_day"
    ).fetchone() == (0, 1000000)
    project.run()
    assert built_at(database, "workflow_statistics_by_day") is not None
    assert marts.differences(database) == []
    assert database.execute("select to_regclass('marts.other')").fetchone() == (None,)
    assert storage(database, "workflow_statistics_by_day") == storage(database, "workflow_runs")


# As an earlier version made them: keys without the repository, and none of what refers to these.
_SHORTER_KEYS = """
    alter table marts.workflow_runs drop constraint workflow_runs_pkey cascade;
    alter table marts.workflow_runs add primary key (run_id);
    alter table marts.jobs add constraint of_before foreign key (run_id)
        references marts.workflow_runs (run_id) on delete cascade;
    update marts.models set definition = 'earlier' where model in ('workflow_runs', 'jobs')
"""


def test_a_key_that_gained_columns_is_changed_where_it_stands(
    project: Project, database: psycopg.Connection[Any]
) -> None:
    load(database, "load 1", History.of(9, run_count=10).batches(1)[0])
    project.run()
    rows, keys = marts.versions(database), _keys(database)
    database.execute(_SHORTER_KEYS)
    assert _keys(database) != keys

    project.run("--selector", "hot")

    assert _keys(database) == keys
    assert marts.versions(database) == rows
    assert owed(database) == []


def _keys(database: psycopg.Connection[Any]) -> list[tuple[Any, ...]]:
    """Primary and foreign keys of the marts."""
    return database.execute(
        "select conrelid::regclass::text, pg_get_constraintdef(oid), convalidated "
        "from pg_constraint where contype in ('p', 'f') and connamespace = 'marts'::regnamespace "
        "order by 1, 2"
    ).fetchall()


@pytest.mark.thorough
def test_until_a_mart_that_is_made_anew_is_complete_its_descendants_are_not(
    project: Project, database: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    load(database, "load 1", History.of(9, run_count=20).batches(1)[0])
    project.run()
    monkeypatch.setattr(parsing, "parsed_project", in_chunks("workflow_run_attempts", of=5))
    database.execute("drop table marts.workflow_run_attempts cascade")

    project.run("--selector", "hot")

    # A child, its child, and a child of that one; and one that reads none of them.
    descendants = ["workflow_runs", "jobs", "cost_by_day"]
    assert [built_at(database, each) for each in descendants] == [None, None, None]
    assert built_at(database, "repository_history") is not None
    project.run()
    assert None not in [built_at(database, each) for each in marts.KEYS]
    assert marts.differences(database) == []


def in_chunks(mart: str, of: int) -> Callable[[str], Manifest]:
    """How the project is parsed if a rebuild of this mart takes so many scopes at once."""
    parse = parsing.parsed_project

    def parsed(database_url: str) -> Manifest:
        project = parse(database_url)
        [model] = [each for each in project.nodes.values() if each.name == mart]
        model.config.meta["chunk"] = of
        return project

    return parsed


def storage(database: psycopg.Connection[Any], mart: str) -> Any:
    """When a mart is vacuumed, and how full its pages are."""
    row = database.execute(
        "select reloptions from pg_class where oid = %s::regclass", [f"marts.{mart}"]
    ).fetchone()
    assert row is not None
    return sorted(row[0])


def built_at(database: psycopg.Connection[Any], mart: str) -> Any:
    row = database.execute("select built_at from marts.models where model = %s", [mart]).fetchone()
    return row[0] if row else None
