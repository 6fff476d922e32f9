"""The raw tables that dlt owns, with the keys and indexes that others rely on."""

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any, LiteralString

import pytest

from actionsight import migrations
from actionsight.database import connect
from actionsight.locks import LOADING_LOCK
from actionsight.settings import Settings, load
from ingestion.github.raw_tables import prepare
from ingestion.github.schema import TABLES

pytestmark = pytest.mark.integration


@pytest.fixture
def fresh(empty_database_url: str, tmp_path: Path) -> Settings:
    migrations.upgrade(empty_database_url)
    return replace(load(environ={}), database_url=empty_database_url, data_dir=tmp_path)


def query(
    settings: Settings, statement: LiteralString, *parameters: object
) -> list[tuple[Any, ...]]:
    assert settings.database_url is not None
    with connect(settings.database_url, autocommit=True) as connection:
        return connection.execute(statement, parameters).fetchall()


def test_two_at_once_make_all_tables_with_keys_and_indexes(fresh: Settings) -> None:
    failures: list[BaseException] = []

    def work() -> None:
        try:
            prepare(fresh)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    keys = query(
        fresh,
        """
        select relname, array_agg(attname::text order by ordinality)
        from pg_constraint
        inner join pg_class on pg_class.oid = conrelid
        cross join unnest(conkey) with ordinality as key (number, ordinality)
        inner join pg_attribute on attrelid = conrelid and attnum = number
        where contype = 'p' and connamespace = 'raw'::regnamespace
        group by relname
        """,
    )
    assert {table.name: list(table.key) for table in TABLES}.items() <= dict(keys).items()
    for table in TABLES:
        columns = query(
            fresh,
            """
            select column_name, is_nullable = 'NO' from information_schema.columns
            where table_schema = 'raw' and table_name = %s
            """,
            table.name,
        )
        required = {column.name for column in table.columns if column.is_required}
        assert {name for name, _ in columns} == {
            *(column.name for column in table.columns),
            "content_hash",
            "_dlt_load_id",
        }
        assert {name for name, is_required in columns if is_required} == required | {
            "content_hash",
            "_dlt_load_id",
        }
    assert query(fresh, "select * from raw.loads") == []


def test_a_second_time_it_changes_nothing_and_waits_for_nobody(settings: Settings) -> None:
    with connect(str(settings.database_url)) as loading:
        loading.execute("select pg_advisory_lock(%s)", [LOADING_LOCK])
        prepare(settings)


def test_a_load_is_noted_with_its_rows_and_again_with_more_of_them(database_url: str) -> None:
    with connect(database_url, autocommit=True) as connection:

        def noted() -> list[tuple[Any, ...]]:
            return connection.execute("select load_id, builds from raw.unbuilt_loads").fetchall()

        def store(workflow_id: int) -> None:
            connection.execute(
                """
                insert into raw.workflows (workflow_id, repository_id, _dlt_load_id, content_hash)
                values (%s, 1, 'first', '')
                """,
                [workflow_id],
            )

        store(1)
        assert noted() == [("first", [])]
        connection.execute("update raw.unbuilt_loads set builds = array['a build']")
        store(2)
        assert noted() == [("first", [])]
        connection.execute("delete from raw.unbuilt_loads")
        connection.execute("update raw.workflows set name = 'of no load'")
        assert noted() == []
        connection.execute("update raw.workflows set _dlt_load_id = 'second' where workflow_id = 2")
        assert noted() == [("second", [])]
