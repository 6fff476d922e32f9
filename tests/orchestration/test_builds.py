"""A build is asked for whenever a load is unbuilt, and by nothing else."""

from collections.abc import Iterator

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

from actionsight.backlog import unbuilt_load_count
from actionsight.database import connect
from orchestration.modelling.builds import build, build_request, full_build
from tests.orchestration.factories import commit_a_load

pytestmark = pytest.mark.integration


def record_as_built(database_url: str, load_id: str) -> None:
    with connect(database_url) as connection:
        connection.execute("create schema marts")
        connection.execute("create table marts.built_loads (load_id text primary key)")
        connection.execute("insert into marts.built_loads values (%s)", [load_id])
        connection.execute("delete from raw.unbuilt_loads where load_id = %s", [load_id])


@pytest.fixture
def tick(instance: DagsterInstance) -> Iterator[SensorEvaluationContext]:
    with build_sensor_context(instance) as context:
        yield context


def test_nothing_is_asked_of_dagster_while_every_load_is_built(
    tick: SensorEvaluationContext, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sensor's instance takes four connections to make, and a tick comes every five seconds."""
    monkeypatch.setattr(SensorEvaluationContext, "instance", property(pytest.fail))
    assert isinstance(build_request(tick, database_url), SkipReason)


def test_nothing_is_asked_for_before_the_first_load(
    tick: SensorEvaluationContext, database_url: str
) -> None:
    assert isinstance(build_request(tick, database_url), SkipReason)


def test_a_build_is_asked_for_at_every_tick_until_the_load_is_built(
    tick: SensorEvaluationContext, database_url: str
) -> None:
    commit_a_load(database_url, "1")
    assert isinstance(build_request(tick, database_url), RunRequest)
    assert isinstance(build_request(tick, database_url), RunRequest)
    record_as_built(database_url, "1")
    assert unbuilt_load_count(database_url) == 0
    assert isinstance(build_request(tick, database_url), SkipReason)


@pytest.mark.parametrize("status", [DagsterRunStatus.STARTING, DagsterRunStatus.STARTED])
def test_never_more_than_one_build_is_under_way(
    tick: SensorEvaluationContext, database_url: str, status: DagsterRunStatus
) -> None:
    commit_a_load(database_url, "1")
    tick.instance.add_run(DagsterRun(job_name=build.name, status=status))
    skipped = build_request(tick, database_url)
    assert isinstance(skipped, SkipReason)
    assert "under way" in str(skipped.skip_message)


def test_a_build_that_fails_is_not_asked_for_again_at_once(
    tick: SensorEvaluationContext, database_url: str
) -> None:
    commit_a_load(database_url, "1")
    run = DagsterRun(job_name=build.name, status=DagsterRunStatus.STARTED)
    tick.instance.add_run(run)
    tick.instance.report_run_failed(run)
    skipped = build_request(tick, database_url)
    assert isinstance(skipped, SkipReason)
    assert "failed" in str(skipped.skip_message)


def test_the_first_build_after_a_start_is_of_everything(
    tick: SensorEvaluationContext, database_url: str
) -> None:
    commit_a_load(database_url, "1")
    first = build_request(tick, database_url)
    assert isinstance(first, RunRequest)
    tick.instance.add_run(
        DagsterRun(job_name=full_build.name, status=DagsterRunStatus.SUCCESS, tags=first.tags)
    )
    later = build_request(tick, database_url)
    assert isinstance(later, RunRequest)
    assert (first.job_name, later.job_name) == ("full_build", "build")
