"""The raw tables that the drain writes, as assets; all of the work is `ingestion.webhooks`'s."""

from collections.abc import Iterator
from functools import cache
from typing import Any

from dagster import (
    AssetExecutionContext,
    AssetKey,
    AssetMaterialization,
    AssetSpec,
    DataVersion,
    MaterializeResult,
    multi_asset,
)
from psycopg import Connection

from actionsight.database import connect
from actionsight.event_buffer import DRAIN_TIMEOUT_SECONDS, EventBuffer
from actionsight.settings import Settings, load
from ingestion.webhooks.drain import DrainResult, drain
from ingestion.webhooks.tables import newest_batch_ids
from orchestration.asset_specs import GITHUB_WEBHOOKS, raw_table
from orchestration.row_counts import row_count

# What Dagster reads a reported materialisation's version from.
DATA_VERSION_TAG = "dagster/data_version"
TABLES = {
    "webhook_events": "The ledger: every delivery once, with its payload as it came.",
    "webhook_runs": "One row per workflow_run delivery: what it says of an attempt of a run.",
    "webhook_jobs": "One row per workflow_job delivery: what it says of a job.",
    "webhook_batches": "One row per batch that a drain committed, with its counts.",
    "webhook_dead_letters": "Deliveries that could not be processed, with bytes and reason.",
}

github_webhooks = AssetSpec(
    GITHUB_WEBHOOKS,
    group_name="github",
    kinds={"github"},
    description="GitHub's webhooks, as the receiver verified and buffered them.",
)


@multi_asset(
    name="webhooks",
    specs=[
        raw_table(name, description, source=GITHUB_WEBHOOKS) for name, description in TABLES.items()
    ],
)
def drained_tables(context: AssetExecutionContext) -> Iterator[MaterializeResult[Any]]:
    """Drain the event buffer to its end; a drain that is under way elsewhere is waited for."""
    settings = load()
    drained = drain(str(settings.database_url), event_buffer(str(settings.redis_url)), waits=True)
    for table, version, metadata in _tables(settings, drained):
        yield MaterializeResult(
            asset_key=["raw", table], data_version=DataVersion(version), metadata=metadata
        )
    context.log_event(_deliveries(drained))


@cache
def event_buffer(url: str) -> EventBuffer:
    """The buffer's client of this process."""
    return EventBuffer(url, timeout_seconds=DRAIN_TIMEOUT_SECONDS)


def materialisations(settings: Settings, drained: DrainResult) -> list[AssetMaterialization]:
    """What a drain outside of a run reports: every table that it writes, with 0 too."""
    tables = [
        AssetMaterialization(["raw", table], metadata=metadata, tags={DATA_VERSION_TAG: version})
        for table, version, metadata in _tables(settings, drained)
    ]
    return [*tables, _deliveries(drained)]


def _tables(settings: Settings, drained: DrainResult) -> list[tuple[str, str, dict[str, Any]]]:
    """Of each table the batch that changed it last, its version, and what a drain has to say of it.

    A drain without rows for it leaves it as it was. Only the observations are read by models; the
    other tables' versions say nothing.
    """
    with connect(str(settings.database_url)) as connection:
        newest = newest_batch_ids(connection)
        return [
            (table, str(newest.get(table)), _metadata(connection, table, drained))
            for table in TABLES
        ]


def _metadata(connection: Connection[Any], table: str, drained: DrainResult) -> dict[str, Any]:
    # Of a view PostgreSQL has no estimate.
    counted, duplicates = table, {}
    if table == "webhook_events":
        counted, duplicates = "webhook_deliveries", {"duplicates": drained.duplicate_count}
    return {
        "rows_added": drained.rows_by_table[table],
        "batches": list(drained.batch_ids),
        **duplicates,
        **row_count(connection, "raw", counted),
    }


def _deliveries(drained: DrainResult) -> AssetMaterialization:
    by_outcome = {
        f"{event} {outcome}": count for (event, outcome), count in sorted(drained.outcomes.items())
    }
    return AssetMaterialization(
        AssetKey(GITHUB_WEBHOOKS), metadata={"deliveries": drained.event_count, **by_outcome}
    )
