"""How often GitHub is polled, and why a poll may be left out."""

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

from orchestration.polling.assets import polled_tables
from orchestration.runs import under_way

MINUTES_A_DAY = 24 * 60

collect = define_asset_job(
    "collect",
    selection=AssetSelection.assets(polled_tables),
    description="Poll GitHub: repositories, workflows, runs with every attempt, jobs.",
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
