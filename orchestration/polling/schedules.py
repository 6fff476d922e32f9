"""When GitHub is polled, swept and read back into history, and why that may be left out."""

from collections.abc import Sequence

from dagster import (
    AssetSelection,
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
from ingestion.github.state.rate_limits import exhausted_until
from ingestion.github.sync import Loop
from orchestration.dagster_runs import under_way
from orchestration.polling.assets import polled_tables, run_config
from orchestration.run_kinds import Kind, of_kind

MINUTES_A_DAY = 24 * 60
# History is read in runs of so long, so that what they brought is seen on Dagster's pages.
BACKFILL_MINUTES = 10


def _job(
    name: str, kind: Kind, description: str, loops: Sequence[Loop], minutes: int = 0
) -> UnresolvedAssetJobDefinition:
    return define_asset_job(
        name,
        selection=AssetSelection.assets(polled_tables),
        description=description,
        config=run_config(loops=list(loops), minutes=minutes),
        tags=of_kind(kind),
    )


collect = _job(
    "collect",
    "poll",
    "Poll GitHub: new runs and those under way with every attempt, their jobs, repositories.",
    ["head", "open"],
)
sweep = _job(
    "sweep",
    "sweep",
    "List the last 31 days again: re-runs of old runs, what was missed, what is gone.",
    ["sweep"],
)
backfill = _job(
    "backfill",
    "backfill",
    f"Read history that is owed, newest first, for {BACKFILL_MINUTES} minutes.",
    ["backfill"],
    BACKFILL_MINUTES,
)


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
        description=f"Polls GitHub every {poll_minutes} minutes, unless a poll is still under way.",
    )
    def poll_github(context: ScheduleEvaluationContext) -> RunRequest | SkipReason:
        running = under_way(context.instance, [collect.name])
        if running:
            return SkipReason(f"The poll {running[0].run_id[:8]} is still under way.")
        return RunRequest()

    return poll_github


@schedule(
    job=sweep,
    # Every hour, since each repository has a day of its own.
    cron_schedule="17 * * * *",
    execution_timezone="UTC",
    default_status=DefaultScheduleStatus.RUNNING,
    description="Sweeps the repositories that were not swept within the last day.",
)
def sweep_github(context: ScheduleEvaluationContext) -> RunRequest | SkipReason:
    """Request a sweep, unless one is under way."""
    running = under_way(context.instance, [sweep.name])
    if running:
        return SkipReason(f"The sweep {running[0].run_id[:8]} is still under way.")
    if not backlog.sweep_is_due(str(load().database_url)):
        return SkipReason("Every repository was swept within the last day.")
    return RunRequest()


@schedule(
    job=backfill,
    cron_schedule="* * * * *",
    execution_timezone="UTC",
    default_status=DefaultScheduleStatus.RUNNING,
    description="Goes on with history as long as some is owed and GitHub's limit leaves room.",
)
def read_history(context: ScheduleEvaluationContext) -> RunRequest | SkipReason:
    """Request a backfill when history is owed and none is under way."""
    settings = load()
    database_url = str(settings.database_url)
    # First, since what Dagster knows costs four connections to ask for.
    if not backlog.history_is_pending(database_url, settings.backfill_days):
        return SkipReason("All history is stored.")
    running = under_way(context.instance, [backfill.name])
    if running:
        return SkipReason(f"The backfill {running[0].run_id[:8]} is under way.")
    with connect(database_url) as connection:
        until = exhausted_until(connection, Priority.BACKFILL.reserve)
    if until is not None:
        return SkipReason(
            f"What is left of GitHub's limit is for polls and people until {until:%H:%M} UTC."
        )
    return RunRequest()
