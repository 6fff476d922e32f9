"""A build is asked for whenever a load is unbuilt, and by nothing else."""

from collections.abc import Iterator

import pytest
from dagster import (
    DagsterEvent,
    DagsterEventType,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    RunRequest,
    SensorEvaluationContext,
    SkipReason,
    build_sensor_context,
)
from dagster._core.execution.plan.objects import StepFailureData

from actionsight.backlog import unbuilt_load_count
from actionsight.database import connect
from orchestration.modelling import builds
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


def fail(instance: DagsterInstance, job_name: str, *, in_a_step: bool) -> None:
    """A run that fails, with a step of it or since its process is gone."""
    run = DagsterRun(job_name=job_name, status=DagsterRunStatus.STARTED, tags=builds.START_TAG)
    instance.add_run(run)
    if in_a_step:
        failure = DagsterEvent(
            DagsterEventType.STEP_FAILURE.value,
            job_name,
            step_key="models",
            event_specific_data=StepFailureData(error=None, user_failure_data=None),
        )
        instance.report_dagster_event(failure, run.run_id)
    instance.report_run_failed(run)


def test_a_build_that_fails_is_not_asked_for_again_at_once(
    tick: SensorEvaluationContext, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit_a_load(database_url, "1")
    monkeypatch.setattr(builds, "LOST_SECONDS", 0)
    fail(tick.instance, build.name, in_a_step=True)
    skipped = build_request(tick, database_url)
    assert isinstance(skipped, SkipReason)
    assert "failed" in str(skipped.skip_message)


def test_a_build_whose_process_was_killed_is_asked_for_again_within_seconds(
    tick: SensorEvaluationContext, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit_a_load(database_url, "1")
    fail(tick.instance, build.name, in_a_step=False)
    assert isinstance(build_request(tick, database_url), SkipReason)
    monkeypatch.setattr(builds, "LOST_SECONDS", 0)
    assert isinstance(build_request(tick, database_url), RunRequest)


@pytest.mark.parametrize(("in_a_step", "asked"), [(True, "build"), (False, "full_build")])
def test_a_full_build_that_was_lost_is_made_good_by_another(
    tick: SensorEvaluationContext,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    in_a_step: bool,
    asked: str,
) -> None:
    commit_a_load(database_url, "1")
    monkeypatch.setattr(builds, "LOST_SECONDS", 0)
    monkeypatch.setattr(builds, "RETRY_SECONDS", 0)
    fail(tick.instance, full_build.name, in_a_step=in_a_step)
    request = build_request(tick, database_url)
    assert isinstance(request, RunRequest)
    assert request.job_name == asked


def test_a_full_build_that_is_lost_each_time_keeps_no_other_from_its_turn(
    tick: SensorEvaluationContext, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit_a_load(database_url, "1")
    monkeypatch.setattr(builds, "LOST_SECONDS", 0)
    asked = []
    for _ in range(builds.FULL_BUILD_TRIES + 1):
        request = build_request(tick, database_url)
        assert isinstance(request, RunRequest)
        asked.append(request.job_name)
        fail(tick.instance, full_build.name, in_a_step=False)
    assert asked == ["full_build"] * builds.FULL_BUILD_TRIES + ["build"]


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
