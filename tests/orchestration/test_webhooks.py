"""A tick drains, reports what it drained, and asks for the models; no trouble stops the rest."""

import json
import logging
from collections.abc import Iterator

import pytest
from dagster import (
    AssetKey,
    AssetMaterialization,
    DagsterInstance,
    SensorEvaluationContext,
    SensorResult,
    build_sensor_context,
    materialize,
)

from actionsight.database import connect
from actionsight.event_buffer import EventBuffer
from actionsight.settings import Settings
from orchestration import row_counts
from orchestration.sensors import drain_and_build
from orchestration.webhooks.assets import TABLES, drained_tables

pytestmark = pytest.mark.integration

REPOSITORY_ID = 5


@pytest.fixture
def tick(
    settings: Settings, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SensorEvaluationContext]:
    """The context of a sensor's tick, on a real instance of Dagster."""
    with connect(str(settings.database_url)) as connection:
        connection.execute(
            "insert into app.repositories (repository_id, full_name) values (%s, 'octo/app')",
            [REPOSITORY_ID],
        )
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    with build_sensor_context(instance) as context:
        yield context


@pytest.fixture
def buffer(settings: Settings) -> Iterator[EventBuffer]:
    made = EventBuffer(str(settings.redis_url))
    yield made
    made.close()


def append_job(buffer: EventBuffer, job_id: int | None) -> None:
    payload = {
        "action": "queued",
        "workflow_job": {"id": job_id, "run_id": 1, "status": "queued"},
        "repository": {"id": REPOSITORY_ID},
    }
    headers = {"X-GitHub-Event": "workflow_job", "X-GitHub-Delivery": f"job {job_id}"}
    buffer.append(headers, json.dumps(payload).encode())


def rows_added(result: SensorResult) -> dict[str, object]:
    return {
        event.asset_key.path[1]: event.metadata["rows_added"].value
        for event in result.asset_events
        if event.asset_key.path[0] == "raw"
    }


def test_a_tick_reports_every_table_and_asks_for_a_build(
    tick: SensorEvaluationContext, buffer: EventBuffer
) -> None:
    append_job(buffer, 7)
    append_job(buffer, None)
    result = drain_and_build(tick)
    assert isinstance(result, SensorResult)
    assert rows_added(result) == {
        "webhook_events": 1,
        "webhook_runs": 0,
        "webhook_jobs": 1,
        "webhook_batches": 1,
        "webhook_dead_letters": 1,
    }
    [deliveries] = [e for e in result.asset_events if e.asset_key.path[0] == "github"]
    assert deliveries.metadata["workflow_job observed"].value == 1
    assert [request.job_name for request in result.run_requests or []] == ["full_build"]
    assert buffer.freshness().event_count == 0


def test_of_a_large_ledger_the_rows_are_estimated(
    tick: SensorEvaluationContext,
    buffer: EventBuffer,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with connect(database_url, autocommit=True) as connection:
        connection.execute(
            """
            insert into raw.webhook_deliveries
            select number::text, 'ping', null, null, null, now(), 'b', 'ignored', '{}'
            from generate_series(1, 30) as number
            """
        )
        connection.execute("analyze raw.webhook_deliveries")
    monkeypatch.setattr(row_counts, "COUNTED", 20)
    append_job(buffer, 7)
    result = drain_and_build(tick)
    assert isinstance(result, SensorResult)
    counts = {
        event.asset_key.path[1]: event.metadata["dagster/row_count"].value
        for event in result.asset_events
        if event.asset_key.path[0] == "raw"
    }
    assert (counts["webhook_events"], counts["webhook_jobs"]) == (30, 1)


def test_a_tick_without_events_reports_nothing_and_says_why_it_asks_for_nothing(
    tick: SensorEvaluationContext,
) -> None:
    result = drain_and_build(tick)
    assert isinstance(result, SensorResult)
    assert list(result.asset_events) == []
    assert result.skip_reason is not None


def test_a_tick_with_nothing_to_build_asks_dagster_nothing(
    tick: SensorEvaluationContext,
    buffer: EventBuffer,
    database_url: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    append_job(buffer, None)
    asks_nothing = build_sensor_context(instance_ref=tick.instance.get_ref())
    with asks_nothing as context, caplog.at_level(logging.INFO):
        result = drain_and_build(context)
        assert isinstance(result, SensorResult)
        assert result.skip_reason is not None
        assert context._instance is None  # it costs six connections
    assert "1 deliveries: 0 new, 0 known, 1 unreadable" in caplog.messages


def test_a_drain_that_brings_no_rows_for_a_table_leaves_its_version(
    tick: SensorEvaluationContext, buffer: EventBuffer
) -> None:
    def versions() -> dict[str, str]:
        result = drain_and_build(tick)
        assert isinstance(result, SensorResult)
        return {
            event.asset_key.path[1]: (event.tags or {})["dagster/data_version"]
            for event in result.asset_events
            if isinstance(event, AssetMaterialization) and event.asset_key.path[0] == "raw"
        }

    append_job(buffer, 7)
    first = versions()
    append_job(buffer, None)
    second = versions()
    append_job(buffer, 8)
    third = versions()
    assert first["webhook_jobs"] == second["webhook_jobs"] != third["webhook_jobs"]


def test_a_buffer_that_is_away_does_not_keep_polled_loads_from_being_built(
    tick: SensorEvaluationContext, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACTIONSIGHT_REDIS_URL", "redis://127.0.0.1:1/0")
    with connect(str(settings.database_url)) as connection:
        connection.execute(
            """
            insert into raw._dlt_loads (load_id, schema_name, status, inserted_at)
            values ('polled', 'github_runs', 0, now())
            """
        )
    result = drain_and_build(tick)
    assert isinstance(result, SensorResult)
    assert [request.job_name for request in result.run_requests or []] == ["full_build"]


def test_a_drain_can_be_a_run_too_and_empties_the_buffer(
    tick: SensorEvaluationContext, buffer: EventBuffer
) -> None:
    append_job(buffer, 7)
    result = materialize([drained_tables], instance=tick.instance)
    assert result.success
    for table in TABLES:
        assert tick.instance.get_latest_materialization_event(AssetKey(["raw", table])) is not None
    assert buffer.freshness().event_count == 0
