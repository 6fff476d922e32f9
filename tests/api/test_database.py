"""An answer is read in one snapshot, read-only, and finds models that are swapped meanwhile."""

import re
import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import Connection

from actionsight.settings import ROOT
from api.database import FURTHER_MARTS, READ_TABLES, Database
from tests.api.client import ValidatingClient, bearer
from tests.api.marts import Marts

pytestmark = pytest.mark.integration


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url, database_url)
    yield database
    database.close()


def test_an_answer_sees_one_state_although_rows_are_committed_meanwhile(
    marts: Marts, database: Database
) -> None:
    marts.repository(1, "acme/a")
    count = "select count(*) as count from marts.workflows"
    with database.reading() as reader:
        assert reader.execute(count).fetchall() == [{"count": 0}]
        marts.workflow(11, 1, "Build")
        assert reader.execute(count).fetchall() == [{"count": 0}]
    with database.reading() as reader:
        assert reader.execute(count).fetchall() == [{"count": 1}]


def test_the_tables_that_answers_are_read_from_are_those_that_are_held() -> None:
    texts = [path.read_text() for path in (ROOT / "api").rglob("*.py")]
    read = {name for text in texts for name in re.findall(r"\bmarts\.([a-z_]+)", text)}
    assert read <= set(READ_TABLES)


@pytest.mark.parametrize("name", [path.parent.name for path in ROOT.glob("api/*/views.py")])
def test_what_a_route_reads_beside_the_core_it_says(name: str) -> None:
    """Else it could read a mart whose rows are not all there."""
    text = "".join(path.read_text() for path in (ROOT / "api" / name).rglob("*.py"))
    read = set(re.findall(r"\bmarts\.([a-z_]+)", text)) & set(FURTHER_MARTS)
    places = "".join(re.findall(r"further = .*|reading\([^)]*", text))
    assert read <= set(re.findall(r'"([a-z_]+)"', places))


def test_a_mart_that_is_not_built_closes_the_routes_that_read_it_and_no_other(
    marts: Marts, client: ValidatingClient, token: str
) -> None:
    marts.connection.execute(
        "insert into marts.models (model, version) values ('flaky_job_occurrences', 1)"
    )
    closed = client.get("/flaky-jobs", headers=bearer(token))
    assert closed.status_code == 503
    assert closed.get_json()["type"] == "/problems/not-built"
    for path in ("/stats", "/workflows", "/branches/health"):
        assert client.get(path, headers=bearer(token)).status_code == 200, path


def test_an_answer_cannot_write(marts: Marts, database: Database) -> None:
    with database.reading() as reader, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        reader.execute("delete from marts.jobs")


def test_a_statement_that_was_met_before_is_planned_for_what_is_asked_with_it(
    marts: Marts, database: Database
) -> None:
    """A plan for whatever may be asked took seconds where the right one takes milliseconds."""
    for number in range(20):
        with database.reading() as reader:
            reader.execute("select from marts.jobs where run_id = %s", [number]).fetchall()
    with database.reading() as reader:
        [told] = reader.execute(
            "select generic_plans, custom_plans from pg_prepared_statements "
            "where statement like '%from marts.jobs%'"
        ).fetchall()
    assert told["generic_plans"] == 0
    assert told["custom_plans"] > 5


def test_a_session_speaks_utc(marts: Marts, database: Database) -> None:
    with database.reading() as reader:
        assert reader.execute("show timezone").fetchall() == [{"TimeZone": "UTC"}]


@pytest.mark.usefixtures("own_database_url")
def test_a_model_that_is_swapped_during_an_answer_is_not_read_as_empty(
    marts: Marts, database: Database, database_url: str, connection: Connection[Any]
) -> None:
    """dbt fills a new table and renames it; a snapshot from before would find no row in it."""
    marts.repository(1, "acme/a")
    marts.workflow(11, 1, "Build")
    marts.run(1, 11, "2026-01-01 00:00")
    marts.job(1, 1)

    def swap() -> None:
        with psycopg.connect(database_url) as builder:
            builder.execute("create table marts.jobs_new as table marts.jobs")
            builder.execute("alter table marts.jobs rename to jobs_old")
            builder.execute("alter table marts.jobs_new rename to jobs")

    swapping = threading.Thread(target=swap)
    with database.reading() as reader:
        reader.execute("select from marts.workflow_runs")
        swapping.start()
        swapping.join(timeout=0.3)
        assert swapping.is_alive(), "the swap waits for the answer"
        assert reader.execute("select job_id from marts.jobs").fetchall() == [{"job_id": 1}]
    swapping.join()
    with database.reading() as reader:
        assert reader.execute("select job_id from marts.jobs").fetchall() == [{"job_id": 1}]


@pytest.mark.usefixtures("own_database_url")
def test_sessions_that_the_server_ended_cost_no_answer(
    marts: Marts, database: Database, connection: Connection[Any]
) -> None:
    with database.reading() as reader:
        reader.execute("select from marts.jobs")
    connection.execute(
        """
        select pg_terminate_backend(pid, 5000) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid()
            and backend_type = 'client backend'
        """
    )
    with database.reading() as reader:
        assert reader.execute("select 1 as one").fetchall() == [{"one": 1}]
