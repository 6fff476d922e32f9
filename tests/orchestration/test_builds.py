"""A build is asked for whenever a load is unbuilt, and by nothing else."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import (
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    RunRequest,
    SensorEvaluationContext,
    SkipReason,
    build_sensor_context,
)

from actionsight.database import connect
from orchestration.modelling.builds import build, models_owed, unbuilt_load_count

pytestmark = pytest.mark.integration


@pytest.fixture
def tick(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SensorEvaluationContext]:
    """The context of a sensor's tick, on a real instance of Dagster."""
    monkeypatch.setenv("ACTIONSIGHT_DATABASE_URL", database_url)
    with (
        DagsterInstance.local_temp(str(tmp_path)) as instance,
        build_sensor_context(instance) as context,
    ):
        yield context


def commit_a_load(database_url: str, load_id: str) -> None:
    """What dlt leaves behind: a row that carries the load, and the load's own row."""
    with connect(database_url) as connection:
        connection.execute(
            """
            insert into raw.workflows (workflow_id, repository_id, _dlt_load_id, content_hash)
            values (1, 1, %(load)s, 'hash')
            """,
            {"load": load_id},
        )
        connection.execute(
            """
            insert into raw._dlt_loads (load_id, schema_name, status, inserted_at)
            values (%(load)s, 'github_repositories', 0, now())
            """,
            {"load": load_id},
        )


def record_as_built(database_url: str, load_id: str) -> None:
    with connect(database_url) as connection:
        connection.execute("create schema marts")
        connection.execute("create table marts.built_loads (load_id text primary key)")
        connection.execute("insert into marts.built_loads values (%s)", [load_id])


def test_nothing_is_asked_for_before_the_first_load(tick: SensorEvaluationContext) -> None:
    assert isinstance(models_owed(tick), SkipReason)


def test_a_build_is_asked_for_at_every_tick_until_the_load_is_built(
    tick: SensorEvaluationContext, database_url: str
) -> None:
    commit_a_load(database_url, "1")
    assert isinstance(models_owed(tick), RunRequest)
    assert isinstance(models_owed(tick), RunRequest)
    record_as_built(database_url, "1")
    assert unbuilt_load_count(database_url) == 0
    assert isinstance(models_owed(tick), SkipReason)


@pytest.mark.parametrize("status", [DagsterRunStatus.STARTING, DagsterRunStatus.STARTED])
def test_never_more_than_one_build_is_under_way(
    tick: SensorEvaluationContext, database_url: str, status: DagsterRunStatus
) -> None:
    commit_a_load(database_url, "1")
    tick.instance.add_run(DagsterRun(job_name=build.name, status=status))
    skipped = models_owed(tick)
    assert isinstance(skipped, SkipReason)
    assert "under way" in str(skipped.skip_message)


def test_a_build_that_fails_is_not_asked_for_again_at_once(
    tick: SensorEvaluationContext, database_url: str
) -> None:
    commit_a_load(database_url, "1")
    run = DagsterRun(job_name=build.name, status=DagsterRunStatus.STARTED)
    tick.instance.add_run(run)
    tick.instance.report_run_failed(run)
    skipped = models_owed(tick)
    assert isinstance(skipped, SkipReason)
    assert "failed" in str(skipped.skip_message)
