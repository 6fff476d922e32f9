"""Each part of an installation works as a role of its own, which may do its work and no more."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

from actionsight.database import connect, with_database
from actionsight.migrations import grants
from actionsight.migrations.grants import API_ROLE, DAGSTER_ROLE, READER_ROLE
from actionsight.redeliveries import count_given_up
from actionsight.silent_hooks import list_silent
from tests.support.services import Databases

pytestmark = pytest.mark.integration


@pytest.fixture
def granted_url(database_url: str) -> Iterator[str]:
    """A migrated database whose owner granted the roles what they need, and made a mart later."""
    with connect(database_url, autocommit=True) as owner:
        grants.grant(owner)
        grants.grant(owner)
        owner.execute("create table marts.later (repository_id bigint)")
        owner.execute("create table raw.later (repository_id bigint)")
        owner.execute("insert into marts.later values (7)")
        owner.execute("insert into raw.later values (7)")
    yield database_url


@pytest.mark.parametrize("is_altered", [True, False])
def test_who_grants_beside_another_or_a_build_waits_and_goes_on(
    database_url: str, is_altered: bool
) -> None:
    with (
        ThreadPoolExecutor(1) as threads,
        connect(database_url, autocommit=True) as watching,
        connect(database_url) as first,
        connect(database_url) as second,
    ):
        watching.execute("create schema if not exists marts")
        watching.execute("create table marts.altered (repository_id bigint)")
        if is_altered:
            first.execute("alter table marts.altered add column name text")
        else:
            first.execute("select")  # so that what follows is committed below
            grants.grant(first)
        granted = threads.submit(grants.grant, second)
        while not watching.execute(
            "select from pg_stat_activity where pid = %s and wait_event_type = 'Lock'",
            [second.info.backend_pid],
        ).fetchall():
            assert not granted.done()
        first.commit()
        granted.result()


def session(databases: Databases, role: str, url: str) -> "psycopg.Connection[object]":
    name = url.rpartition("/")[2]
    return connect(databases.server.role_url(role, name), autocommit=True)


def assert_refused(connection: "psycopg.Connection[object]", *statements: str) -> None:
    for statement in statements:
        with pytest.raises((InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction)):
            connection.execute(statement.encode())


def test_the_owner_is_no_superuser(database_url: str) -> None:
    with connect(database_url, autocommit=True) as connection:
        row = connection.execute(
            "select rolsuper or rolcreatedb or rolcreaterole or rolbypassrls"
            " from pg_roles where rolname = current_user"
        ).fetchone()
        assert row == (False,)
        assert_refused(connection, "copy (select 1) to program 'cat'")


def test_the_api_writes_its_own_tables_and_reads_the_marts(
    postgres_server: Databases, granted_url: str
) -> None:
    with session(postgres_server, API_ROLE, granted_url) as connection:
        assert connection.execute("select repository_id from marts.later").fetchone() == (7,)
        connection.execute("select count(*) from raw.webhook_dead_letters")
        assert list_silent(connection) == []
        assert count_given_up(connection) == 0
        connection.execute("insert into app.users (user_id, login) values (1, 'ada')")
        connection.execute("insert into app.api_tokens (name, token_hash) values ('t', 'h')")
        connection.execute("delete from app.users")
        connection.execute("insert into app.purges (repository_id, full_name) values (7, 'a/b')")
        assert connection.execute("show temp_file_limit").fetchone() == ("2GB",)
        assert_refused(
            connection,
            "insert into marts.later values (8)",
            "delete from marts.later",
            "select * from raw.polls",
            "select headers from raw.webhook_events",
            "select display_title from raw.workflow_runs",
            "select * from raw.webhook_redeliveries",
            "delete from raw.webhook_dead_letters",
            "update app.alembic_version set version_num = '0'",
            "create table app.own ()",
            "create table public.own ()",
            "create schema own",
            "set temp_file_limit = -1",
        )


def test_the_reader_sees_all_data_and_no_secret(
    postgres_server: Databases, granted_url: str
) -> None:
    with session(postgres_server, READER_ROLE, granted_url) as connection:
        for table in ("marts.later", "raw.later", "raw.polls", "app.repositories", "app.users"):
            connection.execute(b"table " + table.encode())
        assert_refused(
            connection,
            "table app.api_tokens",
            "table app.sessions",
            "table app.sign_in_grants",
            "table app.sign_ins",
            "insert into marts.later values (8)",
            "create temporary table own ()",
        )


def test_each_database_opens_to_its_parts_alone(postgres_server: Databases) -> None:
    server = postgres_server.server
    connect(server.role_url(DAGSTER_ROLE, "dagster")).close()
    connect(with_database(postgres_server.server_url, "dagster")).close()
    for role, database in (
        (DAGSTER_ROLE, "actionsight"),
        (API_ROLE, "dagster"),
        (READER_ROLE, "dagster"),
    ):
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            connect(server.role_url(role, database))
