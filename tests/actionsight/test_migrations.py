"""Schema `app` comes by migration, as often as one likes and from several processes at once."""

import hashlib
import importlib
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from actionsight import migrations
from actionsight.database import connect
from actionsight.local.postgresql import PROGRAMS
from actionsight.settings import load
from actionsight.webhook_payloads import Week, weeks
from ingestion.github.raw_tables import prepare

pytestmark = pytest.mark.integration


# With the raw tables that dlt made, and their triggers.
AT_0014 = Path(__file__).with_name("schema_0014.sql")
# A run whose jobs are owed, a repository, a load that no build took in, and a rebuild.
ROWS = """
    insert into app.alembic_version (version_num) values ('0014');
    insert into app.repositories (repository_id, full_name) values (5, 'o/a');
    insert into raw.workflow_runs (
        run_id, run_attempt, repository_id, workflow_id, status, content_hash, _dlt_load_id
    ) values (1, 1, 5, 2, 'completed', '', 'load 1');
    insert into raw.repositories (
        repository_id, visibility, private, default_branch, content_hash, _dlt_load_id
    ) values (5, null, true, 'main', '', 'load 1');
    insert into raw._dlt_loads (load_id, status, inserted_at) values ('load 1', 0, now());
    insert into raw.owed_rebuilds (reason) values ('keys of workflows')
"""
OWED: dict[LiteralString, int] = {
    "app.repositories": 1,
    "raw.workflow_runs": 1,
    "raw.owed_job_listings": 1,
    # That one, and the one of the history that begins.
    "raw.unbuilt_loads": 2,
    "raw.direct_loads": 1,
    "raw.repository_history": 1,
}


PG_DUMP = PROGRAMS / "bin/pg_dump"


def schema(url: str) -> str:
    """What pg_dump says of app and raw, without the layout of functions and comments, without the
    order of columns (one that came later is the last of its table) and without partitions, which
    come and go with what is stored."""
    dumped = subprocess.run(
        [
            *(str(PG_DUMP), "--schema-only", "--no-owner", "--no-privileges"),
            *("--restrict-key=same", "--schema=app", "--schema=raw"),
            *("--exclude-table=raw.webhook_payloads_*", url),
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return re.sub(
        r"(CREATE TABLE \S+ \()(.*?)( \);)",
        lambda table: table[1] + ", ".join(sorted(table[2].split(", "))) + table[3],
        " ".join(dumped.split()),
    )


def counts(url: str) -> dict[LiteralString, int]:
    counted = " union all ".join(f"select '{table}', count(*) from {table}" for table in OWED)  # noqa: S608
    with connect(url) as connection:
        return dict(connection.execute(counted).fetchall())


def test_a_database_of_the_last_revision_before_the_baseline_becomes_what_a_new_one_is(
    empty_database_url: str, database_url: str, tmp_path: Path
) -> None:
    with connect(empty_database_url) as connection:
        connection.execute(AT_0014.read_bytes())
    with connect(empty_database_url) as connection:
        connection.execute(ROWS)
        connection.execute("drop trigger note_batch on raw.webhook_batches")

    assert migrations.upgrade(empty_database_url)
    prepare(replace(load(environ={}), database_url=empty_database_url, data_dir=tmp_path))

    assert schema(empty_database_url) == schema(database_url)
    assert counts(empty_database_url) == OWED
    assert not migrations.upgrade(empty_database_url)


def test_what_builds_of_earlier_versions_left_goes_and_marts_stay(empty_database_url: str) -> None:
    with connect(empty_database_url) as connection:
        connection.execute(AT_0014.read_bytes())
        connection.execute("insert into app.alembic_version (version_num) values ('0014')")
        connection.execute("create schema staging; create schema marts")
        connection.execute("create table staging.runner_prices as select 1 as usd_per_minute")
        connection.execute("create table staging.seed_files as select 'runner_prices' as seed")
        connection.execute("create view marts.own as select * from staging.runner_prices")
        connection.execute("create table marts.claimed_runs as select 1 as run_id")
        connection.execute("create table marts.former_runs as select 1 as run_id")
        connection.execute("create table marts.workflows as select 1 as workflow_id")

    migrations.upgrade(empty_database_url)

    with connect(empty_database_url) as connection:
        left = connection.execute(
            "select schemaname, tablename from pg_tables where schemaname in ('staging', 'marts')"
        ).fetchall()
    assert left == [("marts", "workflows")]


def test_payloads_move_into_their_weeks(empty_database_url: str) -> None:
    with connect(empty_database_url) as connection:
        connection.execute(AT_0014.read_bytes())
        connection.execute("insert into app.alembic_version (version_num) values ('0014')")
        connection.execute(
            """
            insert into raw.webhook_events
            select
                name, 'ping', null, 5, null, received_at::timestamptz, 'b', outcome, '{}', payload
            from (
                values
                    ('a', '2026-11-29 23:59:59+00', 'ignored', convert_to('first', 'utf8')),
                    ('b', '2026-11-30 01:00:00+02', 'ignored', convert_to('second', 'utf8')),
                    ('c', '2026-11-30 00:00:00+00', 'ignored', convert_to('third', 'utf8')),
                    ('d', '2026-12-09 00:00:00+00', 'not_monitored', null)
            ) as told (name, received_at, outcome, payload)
            """
        )
        before = connection.execute("select * from raw.webhook_events order by 1").fetchall()

    migrations.upgrade(empty_database_url)

    with connect(empty_database_url) as connection:
        after = connection.execute("select * from raw.webhook_events order by 1").fetchall()
        kept = connection.execute(
            "select tableoid::regclass::text, repository_id, payload from raw.webhook_payloads"
            " order by delivery_id"
        ).fetchall()
        assert weeks(connection) == [Week(datetime(2026, 11, day, tzinfo=UTC)) for day in (23, 30)]
    assert after == before
    assert kept == [
        ("raw.webhook_payloads_20261123", 5, b"first"),
        ("raw.webhook_payloads_20261123", 5, b"second"),
        ("raw.webhook_payloads_20261130", 5, b"third"),
    ]


def test_a_new_database_owes_nothing(database_url: str) -> None:
    assert counts(database_url) == dict.fromkeys(OWED, 0)


def test_an_older_database_is_refused_with_what_to_do(empty_database_url: str) -> None:
    with connect(empty_database_url) as connection:
        connection.execute("create schema app")
        connection.execute("create table app.alembic_version as select '0013' as version_num")
    with pytest.raises(migrations.SchemaError, match="`actionsight migrate` of commit"):
        migrations.upgrade(empty_database_url)
    with connect(empty_database_url) as connection:
        with pytest.raises(migrations.SchemaError, match="revision 0013, which was never released"):
            migrations.check(connection)
        assert connection.execute("select to_regclass('app.repositories')").fetchone() == (None,)


def test_functions_triggers_and_views_are_those_of_the_newest_revision() -> None:
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in migrations.SQL_FILES))
    folder = Path(migrations.__file__).parent / "versions"
    newest = max(path.stem for path in folder.glob("[0-9]*.py"))
    revision = importlib.import_module(f"actionsight.migrations.versions.{newest}")
    assert digest.hexdigest()[:16] == revision.SQL_DIGEST


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
    assert count == (7,)


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
