"""A purge: all rows of one repository go, and no build brings them back."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from psycopg import Connection, sql

from actionsight.database import connect
from actionsight.purging import purge_repository
from actionsight.webhook_payloads import Week, add_weeks
from tests.support.dbt_project import Project
from tests.transform.histories import WORKFLOWS
from tests.transform.marts import KEYS

pytestmark = pytest.mark.integration

PURGED, KEPT = sorted(set(WORKFLOWS.values()))[:2]


@pytest.fixture
def connection(history_database_url: str) -> Iterator[Connection[Any]]:
    """A database with marts of some repositories that are monitored."""
    with connect(history_database_url, autocommit=True) as connection:
        # The histories are too short to have one.
        connection.execute(
            """
            insert into raw.duration_levels
            select
                repository_id, workflow_id, md5('')::uuid, null, null, array[min(run_id)],
                array[100, 200], array[8, 8], 'levels'
            from marts.workflow_runs
            group by repository_id, workflow_id
            """
        )
        connection.execute("insert into raw.direct_loads (load_id) values ('levels')")
        Project().run()
        yield connection


def rows(connection: Connection[Any]) -> dict[tuple[str, str], dict[int, int]]:
    """By table, how many rows each repository has in it."""
    tables = connection.execute(
        """
        select table_schema, table_name
        from information_schema.columns
        inner join information_schema.tables using (table_schema, table_name)
        where column_name = 'repository_id' and table_type = 'BASE TABLE'
            and (table_schema in ('raw', 'marts', 'app') or table_schema like 'raw\\_staging%')
        """
    ).fetchall()
    return {
        (schema, name): dict(
            connection.execute(
                sql.SQL("select repository_id, count(*) from {} group by 1").format(
                    sql.Identifier(schema, name)
                )
            ).fetchall()
        )
        for schema, name in tables
    }


def of(repository_id: int, counts: dict[tuple[str, str], dict[int, int]]) -> dict[Any, int]:
    return {
        table: count[repository_id] for table, count in counts.items() if count.get(repository_id)
    }


def test_all_rows_of_it_go_and_no_build_brings_them_back(connection: Connection[Any]) -> None:
    before = rows(connection)
    assert {name for schema, name in of(PURGED, before) if schema == "marts"} == {
        *KEYS,
        "data_versions",
    }
    with pytest.raises(ValueError, match="is monitored"), connection.transaction():
        purge_repository(connection, PURGED)
    connection.execute(
        "update app.repositories set removed_at = now() where repository_id = %s", [PURGED]
    )
    with connection.transaction():
        purge_repository(connection, PURGED)
    after = rows(connection)
    assert of(PURGED, after) == {("marts", "data_versions"): 1}
    assert of(KEPT, after) == of(KEPT, before)
    for options in ((), ("--full-refresh",)):
        Project().run(*options)
        assert of(PURGED, rows(connection)) == {("marts", "data_versions"): 1}, options
        assert of(KEPT, rows(connection)) == of(KEPT, before), options


def test_payloads_go_although_retention_drops_a_week_of_them_meanwhile(database_url: str) -> None:
    old, new = datetime(2026, 7, 1, tzinfo=UTC), datetime(2026, 8, 1, tzinfo=UTC)
    with (
        connect(database_url, autocommit=True) as connection,
        connect(database_url) as retention,
        ThreadPoolExecutor(1) as threads,
    ):
        add_weeks(connection, [old, new])
        connection.execute(
            "insert into app.repositories (repository_id, full_name) values (1, 'o/a'), (2, 'o/b')"
        )
        connection.execute("update app.repositories set removed_at = now() where repository_id = 1")
        connection.cursor().executemany(
            "insert into raw.webhook_payloads values (%s, %s, %s, 'p')",
            [(f"{of} {at}", of, at) for of in (1, 2) for at in (old, new)],
        )
        retention.execute(sql.SQL("drop table {}").format(Week.of(old).partition))

        def purge() -> None:
            with connect(database_url) as purging:
                purge_repository(purging, 1)

        purged = threads.submit(purge)
        waiting = "select 1 from pg_locks where not granted and relation is not null"
        deadline = time.monotonic() + 30
        while not connection.execute(waiting).fetchone():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        retention.commit()
        purged.result()
        left = connection.execute("select repository_id, received_at from raw.webhook_payloads")
        assert left.fetchall() == [(2, new)]
