"""The connections of dlt: one for all jobs of a load, none between two loads."""

from collections import deque
from typing import Any
from unittest import mock

import psycopg2
import pytest
from dlt.common.destination import DestinationCapabilitiesContext
from dlt.destinations.impl.postgres.configuration import PostgresCredentials
from dlt.destinations.impl.postgres.sql_client import Psycopg2SqlClient

from actionsight.database import connect
from actionsight.settings import Settings
from actionsight.shards import ALL
from ingestion.github.loader import Batch, Loader
from ingestion.github.rows import workflow_run_row
from ingestion.github.schema import WORKFLOW_RUNS
from ingestion.github.sql_client import SqlClient

pytestmark = pytest.mark.integration


@pytest.fixture
def idle() -> deque[Any]:
    return deque()


@pytest.fixture
def client(database_url: str, idle: deque[Any]) -> SqlClient:
    capabilities = DestinationCapabilitiesContext.generic_capabilities()
    like = Psycopg2SqlClient("raw", "staging", PostgresCredentials(database_url), capabilities)
    return SqlClient(like, database_url, idle)


def test_a_load_opens_one_connection_and_leaves_none_open(settings: Settings) -> None:
    url = str(settings.database_url)
    real, opened = psycopg2.connect, []

    def counted(*arguments: Any, **options: Any) -> Any:
        opened.append(real(*arguments, **options))
        return opened[-1]

    with connect(url, autocommit=True) as connection:
        loader = Loader(connection, url, settings.data_dir / "dlt", ALL, "test")
        for run_id in (1, 2):
            batch = Batch()
            batch.add(
                WORKFLOW_RUNS,
                workflow_run_row({"id": run_id, "run_attempt": 1, "workflow_id": 2}, 5),
            )
            with mock.patch.object(psycopg2, "connect", counted):
                assert loader.load("github_runs", batch) is not None
            assert len(opened) == run_id
            assert all(each.closed for each in opened)


def test_what_was_left_amid_something_or_was_lost_is_not_used_again(
    client: SqlClient, database_url: str, idle: deque[Any]
) -> None:
    first = client.open_connection()
    first.autocommit = False
    client.execute_sql("select 1")
    client.close_connection()
    assert (first.closed, len(idle)) == (1, 0)

    second = client.open_connection()
    client.execute_sql("set search_path to nowhere")
    client.close_connection()
    assert client.open_connection() is second
    assert client.execute_sql("show search_path") == [('"$user", public',)]
    [[pid]] = client.execute_sql("select pg_backend_pid()") or []
    client.close_connection()

    idle_of_other: deque[Any] = deque()
    other = SqlClient(client, database_url, idle_of_other)
    other.open_connection()
    other.execute_sql("select pg_terminate_backend(%s, 5000)", pid)
    other.close_connection()
    third = client.open_connection()
    assert third is not second
    assert client.execute_sql("select 1") == [(1,)]
    third.close()
    second.close()
    idle_of_other.pop().close()
