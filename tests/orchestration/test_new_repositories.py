"""A repository that was just added is polled at once, and once."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import LiteralString

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
from dagster._core.storage.tags import RUN_KEY_TAG

from actionsight.backlog import newest_unpolled
from actionsight.database import connect
from actionsight.repositories import add_selections
from actionsight.shards import Shard
from orchestration.polling.schedules import SHARD_TAG
from orchestration.run_kinds import KIND_TAG
from orchestration.sensors import START_KEY, new_repositories

pytestmark = pytest.mark.integration


@pytest.fixture
def tick(
    database_url: str, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SensorEvaluationContext]:
    monkeypatch.setenv("ACTIONSIGHT_DATABASE_URL", database_url)
    with build_sensor_context(instance) as context:
        started = {RUN_KEY_TAG: f"{START_KEY} 1/1"}
        instance.add_run(
            DagsterRun(job_name="collect", status=DagsterRunStatus.SUCCESS, tags=started)
        )
        yield context


def requests(context: SensorEvaluationContext) -> list[RunRequest]:
    """The runs that it asks for."""
    asked = new_repositories(context)
    assert isinstance(asked, list), asked
    return asked


def execute(database_url: str, statement: LiteralString, *values: object) -> None:
    with connect(database_url) as connection:
        connection.execute(statement, values)


def add_repository(database_url: str) -> None:
    execute(
        database_url,
        "insert into app.repositories (repository_id, full_name) values (5, 'octo/app')",
    )


def poll(database_url: str, started_at: datetime) -> None:
    execute(
        database_url,
        """
        insert into raw.polls (
            poll_id, repository_id, loop, started_at, seen, changed, request_count, load_ids, error
        ) values (gen_random_uuid(), 5, 'repository', %s, 0, 0, 1, '{}', 'HTTP 502')
        """,
        started_at,
    )


def test_nothing_is_asked_for_while_nothing_is_monitored(tick: SensorEvaluationContext) -> None:
    assert isinstance(new_repositories(tick), SkipReason)


def test_a_start_polls_at_once_whatever_was_under_way_before_and_only_once(
    database_url: str, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACTIONSIGHT_DATABASE_URL", database_url)
    with build_sensor_context(instance) as context:
        instance.add_run(DagsterRun(job_name="collect", status=DagsterRunStatus.STARTED))
        [asked] = requests(context)
        assert (asked.job_name, asked.run_key) == ("collect", f"{START_KEY} 1/1")
        assert asked.tags[KIND_TAG] == "first_poll", "it does not count with what was under way"
        instance.add_run(DagsterRun(job_name="collect", tags={RUN_KEY_TAG: str(asked.run_key)}))
        assert isinstance(new_repositories(context), SkipReason)
        # From then on nothing is asked of Dagster, whose answer takes four connections.
        monkeypatch.setattr(SensorEvaluationContext, "instance", property(pytest.fail))
        assert isinstance(new_repositories(context), SkipReason)


def test_a_selected_name_and_a_repository_without_a_poll_ask_for_one(
    tick: SensorEvaluationContext, database_url: str
) -> None:
    with connect(database_url) as connection:
        add_selections(connection, ["octo/app"])
    assert requests(tick)
    execute(database_url, "update app.repository_selections set last_error = 'no such thing'")
    assert isinstance(new_repositories(tick), SkipReason)
    add_repository(database_url)
    assert requests(tick)


def test_an_addition_asks_for_a_poll_of_its_shard(
    tick: SensorEvaluationContext, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACTIONSIGHT_COLLECTION_SHARDS", "4")
    first = requests(tick)
    assert [each.tags[SHARD_TAG] for each in first] == ["1/4", "2/4", "3/4", "4/4"]
    for each in first:
        key = {RUN_KEY_TAG: str(each.run_key)}
        tick.instance.add_run(DagsterRun("collect", tags=key, status=DagsterRunStatus.SUCCESS))
    add_repository(database_url)
    [asked] = requests(tick)
    [slot] = newest_unpolled(database_url)
    assert slot in Shard.parse(asked.tags[SHARD_TAG]).slots


def test_a_poll_that_failed_is_not_asked_for_again(
    tick: SensorEvaluationContext, database_url: str
) -> None:
    add_repository(database_url)
    [first], [second] = requests(tick), requests(tick)
    assert first.run_key == second.run_key
    poll(database_url, datetime.now(UTC))
    assert isinstance(new_repositories(tick), SkipReason)


def test_a_repository_that_is_added_again_is_polled_again(
    tick: SensorEvaluationContext, database_url: str
) -> None:
    add_repository(database_url)
    poll(database_url, datetime.now(UTC) - timedelta(days=1))
    assert requests(tick)


def test_a_poll_that_is_under_way_is_waited_for(
    tick: SensorEvaluationContext, database_url: str
) -> None:
    add_repository(database_url)
    tick.instance.add_run(DagsterRun(job_name="collect", status=DagsterRunStatus.STARTED))
    skipped = new_repositories(tick)
    assert isinstance(skipped, SkipReason)
    assert "under way" in str(skipped.skip_message)


def test_once_polled_its_history_is_asked_for_at_once(
    tick: SensorEvaluationContext, database_url: str
) -> None:
    add_repository(database_url)
    [polled] = requests(tick)
    poll(database_url, datetime.now(UTC))
    execute(database_url, "update app.repositories set head_since = now()")
    [asked] = requests(tick)
    assert asked.job_name == "backfill"
    assert asked.run_key != polled.run_key, "Dagster takes a key once, whichever job it is for"
    execute(database_url, "update app.repositories set backfill_target = now()")
    assert isinstance(new_repositories(tick), SkipReason)
