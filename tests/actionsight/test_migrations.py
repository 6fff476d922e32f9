"""Schema `app` comes by migration, as often as one likes and from several processes at once."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from actionsight import migrations
from actionsight.database import connect

pytestmark = pytest.mark.integration


def test_migrating_twice_at_once_leaves_one_schema(empty_database_url: str) -> None:
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(migrations.upgrade, [empty_database_url] * 2))
    with connect(empty_database_url) as connection:
        row = connection.execute("select count(*) from app.alembic_version").fetchone()
    assert row == (1,)


def test_the_newest_revision_is_told_without_alembic() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    assert migrations.newest_revision() == ScriptDirectory.from_config(config).get_current_head()


def test_every_foreign_key_of_app_is_indexed(database_url: str) -> None:
    with connect(database_url) as connection:
        unindexed = connection.execute(
            """
            select conrelid::regclass::text, conname
            from pg_constraint
            where contype = 'f' and connamespace = 'app'::regnamespace
                and not exists (
                    select from pg_index
                    where indrelid = conrelid and indkey[0] = conkey[1]
                )
            """
        ).fetchall()
        count = connection.execute(
            "select count(*) from pg_constraint"
            " where contype = 'f' and connamespace = 'app'::regnamespace"
        ).fetchone()
    assert unindexed == []
    assert count == (6,)


def test_a_person_who_is_deleted_takes_what_opens_the_api_along(database_url: str) -> None:
    with connect(database_url) as connection:
        connection.execute("insert into app.users (user_id, login) values (7, 'ada')")
        connection.execute(
            "insert into app.sign_in_grants (user_id, access_token) values (7, 'encrypted')"
        )
        connection.execute(
            """
            insert into app.sessions (session_hash, user_id, grant_id, expires_at)
            select 'hash', 7, grant_id, now() from app.sign_in_grants
            """
        )
        connection.execute(
            "insert into app.api_tokens (name, token_hash, user_id) values ('mine', 'hash', 7)"
        )
        connection.execute(
            "insert into app.repositories (repository_id, full_name, added_by) values (5, 'o/a', 7)"
        )
        connection.execute("delete from app.users where user_id = 7")
        left = [
            connection.execute(query).fetchone()
            for query in (
                "select count(*) from app.sign_in_grants",
                "select count(*) from app.sessions",
                "select count(*) from app.api_tokens",
                "select count(*) from app.repositories where added_by is null",
            )
        ]
    assert left == [(0,), (0,), (0,), (1,)]


def test_a_session_needs_its_person(database_url: str) -> None:
    with (
        connect(database_url) as connection,
        pytest.raises(psycopg.errors.ForeignKeyViolation),
    ):
        connection.execute(
            "insert into app.sign_in_grants (user_id, access_token) values (8, 'encrypted')"
        )
