"""The raw tables that polling fills, as assets; all of the work is `ingestion.github`'s."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from dagster import (
    Array,
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetKey,
    AssetMaterialization,
    AssetSpec,
    Bool,
    DataVersion,
    Enum,
    EnumValue,
    Field,
    Int,
    MaterializeResult,
    MetadataValue,
    String,
    TableMetadataValue,
    TableRecord,
    multi_asset,
)
from psycopg import Connection

from actionsight.settings import load
from actionsight.shards import ALL, Shard
from ingestion.github import stages
from ingestion.github.raw_tables import prepare
from ingestion.github.results import StageResult
from ingestion.github.state.polls import progress_of_poll
from ingestion.github.state.repositories import troubles_elsewhere
from ingestion.github.sync import LOOPS, start_sync
from orchestration.asset_specs import GITHUB_REST, raw_table
from orchestration.freshness import polled
from orchestration.row_counts import row_count

POLLS = AssetKey(["raw", "polls"])
COLLECTED = "every_repository_was_collected"
# On a run: sweep every repository, whether that is due or not.
SWEEP_TAG = "actionsight/sweep"
# Of repositories, on a poll's page.
ROWS_SHOWN = 200
FRESHNESS = polled(load().poll_minutes)

github_rest = AssetSpec(
    GITHUB_REST,
    group_name="github",
    kinds={"github"},
    freshness_policy=FRESHNESS,
    description="GitHub's REST API; each poll notes what is left of the rate limit.",
)


# Dagster's own types in place of a pydantic `Config`, whose fields would also take the name of an
# environment variable: `{"env": "ACTIONSIGHT_SECRET_KEY"}`.
CONFIG_SCHEMA = {
    "loops": Field(
        Array(Enum("Loop", [EnumValue(loop) for loop in LOOPS])),
        default_value=list(LOOPS),
        description="What looks for runs: head (new ones), open (those under way), sweep (the last "
        "31 days, daily), backfill (history).",
    ),
    "shard": Field(
        String,
        default_value=str(ALL),
        description="Which part of what is monitored: 2/4 is the second of four, 1/1 all of it.",
    ),
    "minutes": Field(
        Int,
        default_value=0,
        description="Stop beginning new work after so many minutes; 0: when all is done.",
    ),
    "is_watched": Field(
        Bool,
        default_value=False,
        description="A person waits: look at everything, leave no share of the limit to others.",
    ),
}


def run_config(**config: Any) -> dict[str, Any]:
    """The configuration of a run that collects, from values of `CONFIG_SCHEMA`."""
    return {"ops": {"github": {"config": config}}}


@multi_asset(
    name="github",
    specs=[
        raw_table(name, description, source=GITHUB_REST, freshness_policy=FRESHNESS)
        for name, description in (
            ("repositories", "One row per monitored repository."),
            ("workflows", "One row per workflow."),
            ("workflow_runs", "One row per run and attempt, as polling last saw it."),
            ("workflow_jobs", "One row per job as listed under an attempt, with its steps."),
            ("polls", "One row per poll, repository and loop: what was seen and changed."),
        )
    ],
    check_specs=[
        AssetCheckSpec(
            COLLECTED,
            asset=POLLS,
            description="No repository has had trouble in the last poll of its shard; names those "
            "that had.",
        )
    ],
    config_schema=CONFIG_SCHEMA,
)
def polled_tables(
    context: AssetExecutionContext,
) -> Iterator[MaterializeResult[Any] | AssetCheckResult]:
    """Collect from GitHub what the run's loops look for, and the jobs of it."""
    config = context.op_execution_context.op_config
    settings = load()
    prepare(settings)
    began = datetime.now(UTC)
    with start_sync(
        settings,
        poll_id=UUID(context.run.run_id),
        loops=config["loops"],
        shard=Shard.parse(config["shard"]),
        is_watched=config["is_watched"],
        until=began + timedelta(minutes=config["minutes"]) if config["minutes"] else None,
    ) as sync:
        repositories = stages.collect_repositories(sync)
        runs = stages.collect_runs(sync, sweeps_all=context.run.tags.get(SWEEP_TAG) == "all")
        # What the runs told of a repository, it was asked for once more.
        yield _collected(sync.connection, "repositories", repositories, runs)
        yield _collected(sync.connection, "workflows", repositories, runs)
        yield _collected(sync.connection, "workflow_runs", runs)
        jobs = stages.collect_jobs(sync)
        yield _collected(sync.connection, "workflow_jobs", jobs)
        progress = progress_of_poll(sync.connection, sync.poll_id, sync.shard.slots, ROWS_SHOWN)
        elsewhere = troubles_elsewhere(sync.connection, sync.shard.slots)
        polls = row_count(sync.connection, *POLLS.path)
    yield MaterializeResult(
        asset_key=POLLS,
        metadata={**_asked(repositories, runs, jobs), **_progress(progress), **polls},
    )
    context.log_event(AssetMaterialization(AssetKey(GITHUB_REST), metadata=_limits(jobs)))
    yield _every_repository_was_collected(elsewhere | repositories.refused | jobs.troubles)


def _collected(
    connection: Connection[Any], table: str, *stages: StageResult
) -> MaterializeResult[Any]:
    """A table's materialisation, with what the stages saw and what of it was new or changed.

    Its data version is the load that changed it last: a poll that changed nothing leaves the models
    as fresh as they were.
    """
    return MaterializeResult(
        asset_key=["raw", table],
        data_version=DataVersion(str(stages[-1].versions[table])),
        metadata={
            "rows_seen": sum(stage.rows_seen.get(table, 0) for stage in stages),
            "rows_changed": sum(stage.rows_changed.get(table, 0) for stage in stages),
            "loads": [load_id for stage in stages for load_id in stage.load_ids],
            **_asked(*stages),
            **row_count(connection, "raw", table),
        },
    )


def _asked(*stages: StageResult) -> dict[str, int | str]:
    return {
        "requests": sum(stage.request_count for stage in stages),
        "requests_unchanged": sum(stage.unchanged_count for stage in stages),
        **_limits(stages[-1]),
    }


def _progress(repositories: list[dict[str, str | int]]) -> dict[str, TableMetadataValue]:
    """How far collection has come with each repository, as a table."""
    if not repositories:
        return {}
    return {"progress": MetadataValue.table([TableRecord(each) for each in repositories])}


def _limits(stage: StageResult) -> dict[str, int | str]:
    """What is left of each credential's limit; its name is left out where there is but one."""
    known = [rate_limit for rate_limit in stage.rate_limits if rate_limit.limit is not None]
    limits: dict[str, int | str] = {}
    for rate_limit in known:
        name = f" ({rate_limit.credential})" if len(known) > 1 else ""
        limits[f"rate_limit{name}"] = rate_limit.limit or 0
        limits[f"rate_limit_remaining{name}"] = rate_limit.remaining or 0
        if rate_limit.resets_at is not None:
            limits[f"rate_limit_resets_at{name}"] = rate_limit.resets_at.isoformat()
    return limits


def _every_repository_was_collected(troubles: dict[str, str]) -> AssetCheckResult:
    """Trouble is shown, and stops neither the other repositories nor the build of what came."""
    return AssetCheckResult(
        check_name=COLLECTED,
        asset_key=POLLS,
        passed=not troubles,
        severity=AssetCheckSeverity.ERROR,
        metadata={**troubles},
    )
