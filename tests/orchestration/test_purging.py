"""A requested purge becomes one run, which deletes; a killed one is followed by another."""

from collections.abc import Iterator
from typing import Any

import pytest
from dagster import (
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    RunRequest,
    SkipReason,
    build_sensor_context,
)
from psycopg import Connection

from actionsight.database import connect
from orchestration.purging import purge
from orchestration.sensors import purge_requests

pytestmark = pytest.mark.integration


@pytest.fixture
def connection(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connection[Any]]:
    monkeypatch.setenv("ACTIONSIGHT_DATABASE_URL", database_url)
    with connect(database_url, autocommit=True) as connection:
        connection.execute(
            """
            insert into app.repositories (repository_id, full_name, removed_at) values
                (5, 'octo/app', now()), (6, 'octo/other', now()), (7, 'octo/kept', null)
            """
        )
        yield connection


def request(connection: Connection[Any], *repository_ids: int) -> None:
    connection.execute(
        """
        insert into app.purges (repository_id, full_name)
        select repository_id, full_name from app.repositories where repository_id = any(%s)
        """,
        [list(repository_ids)],
    )


def test_a_run_is_asked_for_until_nothing_is_requested(
    instance: DagsterInstance, connection: Connection[Any]
) -> None:
    with build_sensor_context(instance) as context:
        assert isinstance(purge_requests(context), SkipReason)
        request(connection, 5, 6)
        assert isinstance(purge_requests(context), RunRequest)
        run_id = instance.add_run(
            DagsterRun(job_name="purge", status=DagsterRunStatus.STARTED)
        ).run_id
        assert isinstance(purge_requests(context), SkipReason)
        [killed] = [run for run in instance.get_runs() if run.run_id == run_id]
        instance.report_run_failed(killed)
        assert isinstance(purge_requests(context), RunRequest)
        assert purge.execute_in_process(instance=instance).success
        assert isinstance(purge_requests(context), SkipReason)
    left = connection.execute("select repository_id from app.repositories").fetchall()
    assert left == [(7,)]
    assert connection.execute(
        "select bool_and(completed_at is not null) from app.purges"
    ).fetchall() == [(True,)]
