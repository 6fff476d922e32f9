"""What a build records, and what it leaves owed."""

from typing import Any

import psycopg
import pytest
from psycopg import sql

from actionsight.database import connect
from tests.support.dbt_project import Project
from tests.transform import marts
from tests.transform.factories import job_row, run_row
from tests.transform.histories import History
from tests.transform.raw_rows import load

pytestmark = pytest.mark.integration


def owed(database: psycopg.Connection[Any]) -> list[str]:
    """The loads that no finished build began with, as the short list has them and as the long ones
    do."""
    noted = database.execute("select load_id from raw.unbuilt_loads order by 1").fetchall()
    counted = database.execute(
        "select load_id from raw.loads except select load_id from marts.built_loads order by 1"
    ).fetchall()
    assert noted == counted
    return [load_id for (load_id,) in noted]


def data_versions(database: psycopg.Connection[Any]) -> dict[int, int]:
    return dict(
        database.execute("select repository_id, version from marts.data_versions").fetchall()
    )


def test_a_build_of_an_empty_database_passes_with_all_its_tests(
    unbuilt_database_url: str,
) -> None:
    # Unit tests bring rows of their own: they run nowhere else.
    Project().build()

    with connect(unbuilt_database_url) as database:
        built = {mart: len(rows) for mart, rows in marts.read(database).items()}
    assert built == dict.fromkeys(marts.KEYS, 0)


def test_a_build_with_nothing_new_writes_no_row_and_raises_no_version(
    project: Project, database: psycopg.Connection[Any]
) -> None:
    load(database, "load 1", History.of(4).batches(1)[0])
    project.run()
    before, versions = marts.versions(database), data_versions(database)

    project.run()
    unchanged = marts.versions(database)
    # The same loads worked on again: everything is computed, nothing differs.
    database.execute("insert into raw.unbuilt_loads (load_id) select load_id from raw.loads")
    project.run()

    assert versions.keys() == {101, 102, 103}
    assert unchanged == before
    assert marts.versions(database) == before
    assert data_versions(database) == versions


def test_a_mart_with_nothing_to_do_asks_the_database_nothing(
    project: Project, database: psycopg.Connection[Any]
) -> None:
    asked: list[str] = []

    def note(event: Any) -> None:
        if event.info.name == "SQLQuery":
            asked.append(event.data.node_info.node_name)

    load(database, "load 1", {"workflow_runs": [run_row(1, 1, "2026-03-01T10:00:00Z")]})
    project.invoke("run", "--selector", "hot", callbacks=(note,))
    with_a_load = set(asked)
    asked.clear()
    project.invoke("run", "--selector", "hot", callbacks=(note,))

    assert with_a_load >= {"workflow_runs", "repository_statistics_by_day"}
    assert asked
    assert not {name for name in asked if not name.startswith("actionsight-on-run-")} - {""}


def test_a_build_of_some_models_records_nothing(
    project: Project, database: psycopg.Connection[Any]
) -> None:
    load(database, "load 1", {"workflow_runs": [run_row(1, 1, "2026-03-01T10:00:00Z")]})

    project.run("--select", "+workflow_runs")

    assert len(marts.read_one(database, "workflow_runs")) == 1
    assert owed(database) == ["load 1"]
    assert waiting(database, "workflow_statistics_by_day") == 1
    project.run()
    assert owed(database) == []
    assert len(marts.read_one(database, "workflow_statistics_by_day")) == 1


def test_a_mart_that_fails_stops_what_descends_from_it_and_nothing_else(
    project: Project, database: psycopg.Connection[Any]
) -> None:
    load(database, "load 1", {"workflow_runs": [run_row(1, 1, "2026-03-01T10:00:00Z")]})
    project.run()
    until = "2026-03-01 12:00:00+00"
    database.execute(
        "insert into app.repositories (repository_id, full_name, observed_until) "
        "values (101, 'acme/a', %s)",
        [until],
    )
    versions = data_versions(database)
    database.execute("alter table marts.jobs rename column labels to labels_gone")
    job = job_row(11, 2, "2026-03-01T10:00:00Z", "2026-03-01T10:10:00Z")
    run = run_row(2, 1, "2026-03-01T10:00:00Z")
    load(database, "load 2", {"workflow_runs": [run], "workflow_jobs": [job]})

    outcome = project.invoke("run")

    assert not outcome.success
    assert len(marts.read_one(database, "workflow_runs")) == 2
    assert data_versions(database)[101] > versions[101]
    assert owed(database) == []
    assert waiting(database, "jobs") > 0
    stopped = {each.node.name for each in outcome.result if each.status == "skipped"}
    assert {"steps", "workflow_statistics_by_day"} <= stopped
    assert _behind(database) == {(mart, until) for mart in ("jobs", *stopped)}
    database.execute("alter table marts.jobs rename column labels_gone to labels")
    project.run()
    assert waiting(database, "jobs") == 0
    assert len(marts.read_one(database, "jobs")) == 1
    assert _behind(database) == set()
    assert marts.differences(database) == []


def test_a_parent_that_is_refreshed_alone_keeps_the_foreign_keys(
    project: Project, database: psycopg.Connection[Any]
) -> None:
    load(database, "load 1", History.of(5).batches(1)[0])
    project.run()
    before = _foreign_keys(database)

    project.run("--full-refresh", "--select", "workflow_runs")

    assert len(before) >= 12
    assert all(is_validated for *_, is_validated in before)
    assert _foreign_keys(database) == before


def waiting(database: psycopg.Connection[Any], mart: str) -> int:
    """How many scopes wait in the queue of a mart."""
    row = database.execute(
        sql.SQL("select count(*) from {}").format(
            sql.Identifier("intermediate", f"touched__{mart}")
        )
    ).fetchone()
    return int(row[0]) if row else 0


def _behind(database: psycopg.Connection[Any]) -> set[tuple[str, str]]:
    rows = database.execute(
        "select model, (observed_until at time zone 'UTC')::text || '+00' "
        "from marts.behind where repository_id = 101"
    )
    return set(rows.fetchall())


def _foreign_keys(database: psycopg.Connection[Any]) -> list[tuple[Any, ...]]:
    return database.execute(
        "select conrelid::regclass::text, confrelid::regclass::text, conname, convalidated "
        "from pg_constraint where contype = 'f' and connamespace = 'marts'::regnamespace "
        "order by 1, 3"
    ).fetchall()
