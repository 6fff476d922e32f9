"""When GitHub is polled, swept and read back into history, and why that may be left out."""

from collections.abc import Collection, Mapping
from typing import Any

from dagster import (
    AssetSelection,
    DagsterInstance,
    DefaultScheduleStatus,
    RunRequest,
    ScheduleDefinition,
    ScheduleEvaluationContext,
    SkipReason,
    define_asset_job,
    schedule,
)
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from actionsight import backlog
from actionsight.database import connect
from actionsight.github.rate_limit.models import Priority
from actionsight.settings import load
from actionsight.shards import ALL, Shard, holding, shards
from ingestion.github.state.rate_limits import exhausted_until
from orchestration.dagster_runs import under_way
from orchestration.polling.assets import polled_tables, run_config
from orchestration.run_kinds import Kind, of_kind

MINUTES_A_DAY = 24 * 60
# History is read in runs of so long, so that what they brought is seen on Dagster's pages.
BACKFILL_MINUTES = 10
# On a run: which shard it collects.
SHARD_TAG = "actionsight/shard"

Requested = list[RunRequest] | SkipReason


CONFIG: Mapping[str, Mapping[str, Any]] = {
    "collect": {"loops": ["head", "open"]},
    "sweep": {"loops": ["sweep"]},
    "backfill": {"loops": ["backfill"], "minutes": BACKFILL_MINUTES},
}


def _job(name: str, kind: Kind, description: str) -> UnresolvedAssetJobDefinition:
    return define_asset_job(
        name,
        selection=AssetSelection.assets(polled_tables),
        description=description,
        config=run_config(**CONFIG[name]),
        tags=of_kind(kind),
    )


collect = _job(
    "collect",
    "poll",
    "Poll GitHub: new runs and those under way with every attempt, their jobs, repositories.",
)
sweep = _job(
    "sweep",
    "sweep",
    "List the last 31 days again: re-runs of old runs, what was missed, what is gone.",
)
backfill = _job(
    "backfill",
    "backfill",
    f"Read history that is owed, newest first, for {BACKFILL_MINUTES} minutes.",
)


def request(
    job: UnresolvedAssetJobDefinition,
    shard: Shard,
    run_key: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> RunRequest:
    """A request for a run of one of these jobs that collects a shard."""
    return RunRequest(
        run_key=run_key,
        job_name=job.name,
        run_config=run_config(**CONFIG[job.name], shard=str(shard)),
        tags={SHARD_TAG: str(shard), **(tags or {})},
    )


def idle(
    instance: DagsterInstance, job: UnresolvedAssetJobDefinition, wanted: Collection[Shard]
) -> list[Shard] | SkipReason:
    """Those of some shards of which no run of a job is under way; where there is none, why."""
    running = {run.tags.get(SHARD_TAG, str(ALL)): run for run in under_way(instance, [job.name])}
    free = [shard for shard in wanted if str(shard) not in running]
    if free:
        return free
    run_id = running[str(next(iter(wanted)))].run_id
    return SkipReason(f"The {job.name} {run_id[:8]} is still under way.")


def _requested(
    instance: DagsterInstance, job: UnresolvedAssetJobDefinition, wanted: Collection[Shard]
) -> Requested:
    free = idle(instance, job, wanted)
    return free if isinstance(free, SkipReason) else [request(job, shard) for shard in free]


def cron_expressions(minutes: int) -> list[str]:
    """Times every `minutes` minutes (1 to 1,440), counted from midnight UTC.

    Cron knows steps within the hour and the day only, so one expression per hour lists the
    minutes that fall into it; equal hours share an expression.
    """
    by_hour: dict[int, list[int]] = {}
    for minute in range(0, MINUTES_A_DAY, minutes):
        by_hour.setdefault(minute // 60, []).append(minute % 60)
    hours_by_minutes: dict[tuple[int, ...], list[int]] = {}
    for hour, found in by_hour.items():
        hours_by_minutes.setdefault(tuple(found), []).append(hour)
    return [
        f"{','.join(map(str, found))} {','.join(map(str, hours))} * * *"
        for found, hours in hours_by_minutes.items()
    ]


def polling_schedule(poll_minutes: int) -> ScheduleDefinition:
    """The schedule that requests a poll, unless one is still under way."""

    @schedule(
        name="poll_github",
        job=collect,
        cron_schedule=cron_expressions(poll_minutes),
        execution_timezone="UTC",
        default_status=DefaultScheduleStatus.RUNNING,
        description=f"Polls GitHub every {poll_minutes} minutes, each shard of which no poll is "
        "still under way.",
    )
    def poll_github(context: ScheduleEvaluationContext) -> Requested:
        return _requested(context.instance, collect, shards(load().collection_shards))

    return poll_github


@schedule(
    job=sweep,
    # Every hour, since each repository has a day of its own.
    cron_schedule="17 * * * *",
    execution_timezone="UTC",
    default_status=DefaultScheduleStatus.RUNNING,
    description="Sweeps the repositories that were not swept within the last day.",
)
def sweep_github(context: ScheduleEvaluationContext) -> Requested:
    """Request a sweep of each shard that is due, unless one is under way."""
    settings = load()
    due = backlog.due_sweeps(str(settings.database_url))
    if not due:
        return SkipReason("Every repository was swept within the last day.")
    return _requested(context.instance, sweep, holding(due, settings.collection_shards))


@schedule(
    job=backfill,
    cron_schedule="* * * * *",
    execution_timezone="UTC",
    default_status=DefaultScheduleStatus.RUNNING,
    description="Goes on with history as long as some is owed and GitHub's limit leaves room.",
)
def read_history(context: ScheduleEvaluationContext) -> Requested:
    """Request a backfill of each shard that is owed history, unless one is under way."""
    settings = load()
    database_url = str(settings.database_url)
    # First, since what Dagster knows costs four connections to ask for.
    owed = backlog.pending_history(database_url, settings.backfill_days)
    if not owed:
        return SkipReason("All history is stored.")
    with connect(database_url) as connection:
        until = exhausted_until(connection, Priority.BACKFILL.reserve)
    if until is not None:
        return SkipReason(
            f"What is left of GitHub's limit is for polls and people until {until:%H:%M} UTC."
        )
    return _requested(context.instance, backfill, holding(owed, settings.collection_shards))
