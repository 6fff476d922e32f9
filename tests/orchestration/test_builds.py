"""A build is asked for whenever a load is unbuilt, and by nothing else."""

import pytest
from dagster import (
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    RunRequest,
    SkipReason,
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


def test_nothing_is_asked_for_before_the_first_load(
    instance: DagsterInstance, database_url: str
) -> None:
    assert isinstance(build_request(instance, database_url), SkipReason)


def test_a_build_is_asked_for_at_every_tick_until_the_load_is_built(
    instance: DagsterInstance, database_url: str
) -> None:
    commit_a_load(database_url, "1")
    assert isinstance(build_request(instance, database_url), RunRequest)
    assert isinstance(build_request(instance, database_url), RunRequest)
    record_as_built(database_url, "1")
    assert unbuilt_load_count(database_url) == 0
    assert isinstance(build_request(instance, database_url), SkipReason)


@pytest.mark.parametrize("status", [DagsterRunStatus.STARTING, DagsterRunStatus.STARTED])
def test_never_more_than_one_build_is_under_way(
    instance: DagsterInstance, database_url: str, status: DagsterRunStatus
) -> None:
    commit_a_load(database_url, "1")
    instance.add_run(DagsterRun(job_name=build.name, status=status))
    skipped = build_request(instance, database_url)
    assert isinstance(skipped, SkipReason)
    assert "under way" in str(skipped.skip_message)


def test_a_build_that_fails_is_not_asked_for_again_at_once(
    instance: DagsterInstance, database_url: str
) -> None:
    commit_a_load(database_url, "1")
    run = DagsterRun(job_name=build.name, status=DagsterRunStatus.STARTED)
    instance.add_run(run)
    instance.report_run_failed(run)
    skipped = build_request(instance, database_url)
    assert isinstance(skipped, SkipReason)
    assert "failed" in str(skipped.skip_message)


def test_the_first_build_after_a_start_is_of_everything(
    instance: DagsterInstance, database_url: str
) -> None:
    commit_a_load(database_url, "1")
    first = build_request(instance, database_url)
    assert isinstance(first, RunRequest)
    instance.add_run(
        DagsterRun(job_name=full_build.name, status=DagsterRunStatus.SUCCESS, tags=first.tags)
    )
    later = build_request(instance, database_url)
    assert isinstance(later, RunRequest)
    assert (first.job_name, later.job_name) == ("full_build", "build")
