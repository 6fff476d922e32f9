"""What is collected at once, not at the next poll: everything when Actionsight starts, and what was
just added to what is monitored; then its history."""

from datetime import UTC, datetime

from dagster import (
    DefaultSensorStatus,
    RunRequest,
    RunsFilter,
    SensorEvaluationContext,
    SkipReason,
    sensor,
)
from dagster._core.storage.tags import RUN_KEY_TAG

from actionsight.database import connect
from actionsight.settings import load
from orchestration.dagster_runs import under_way
from orchestration.polling.schedules import backfill, collect

# The code server imports this module once, when it starts; Dagster takes a key once.
START_KEY = f"start {datetime.now(UTC).isoformat()}"


@sensor(
    jobs=[collect, backfill],
    minimum_interval_seconds=3,
    default_status=DefaultSensorStatus.RUNNING,
    description="Asks for a poll when Actionsight has started and when a repository was added that "
    "no poll has looked at yet, then for its history.",
)
def newcomers(context: SensorEvaluationContext) -> RunRequest | SkipReason:
    """Request the first poll since the start, then one for the newest addition.

    What they cannot do is left to the schedule.
    """
    if not context.instance.get_runs(RunsFilter(tags={RUN_KEY_TAG: START_KEY}), limit=1):
        # Whatever was under way before is not waited for: it may have been killed.
        return RunRequest(job_name=collect.name, run_key=START_KEY)
    database_url = str(load().database_url)
    added_at = newest_unpolled(database_url)
    if added_at is None:
        return _history(context, newest_without_history(database_url))
    running = under_way(context.instance, [collect.name])
    if running:
        return SkipReason(f"The poll {running[0].run_id[:8]} is under way.")
    # Dagster takes a key once, so a poll that failed is not asked for again and again.
    return RunRequest(job_name=collect.name, run_key=f"added {added_at.isoformat()}")


def _history(
    context: SensorEvaluationContext, added_at: datetime | None
) -> RunRequest | SkipReason:
    if added_at is None:
        return SkipReason("Every monitored repository has been polled.")
    running = under_way(context.instance, [backfill.name])
    if running:
        return SkipReason(f"The backfill {running[0].run_id[:8]} is under way.")
    return RunRequest(job_name=backfill.name, run_key=f"history {added_at.isoformat()}")


def newest_unpolled(database_url: str) -> datetime | None:
    """When the newest repository or selection was added that no poll has looked at since (UTC)."""
    with connect(database_url) as connection:
        row = connection.execute(
            """
            select max(added_at) from (
                select repositories.added_at
                from app.repositories
                where repositories.removed_at is null
                    and not exists (
                        select from raw.polls
                        where polls.repository_id = repositories.repository_id
                            and polls.started_at >= repositories.added_at
                    )
                union all
                select added_at
                from app.repository_selections
                where repository_id is null and removed_at is null and last_error is null
                    and listed_at is null
            ) as unpolled
            """
        ).fetchone()
    return row[0] if row else None


def newest_without_history(database_url: str) -> datetime | None:
    """When the newest repository was added whose history no backfill has begun with (UTC)."""
    with connect(database_url) as connection:
        row = connection.execute(
            """
            select max(added_at) from app.repositories
            where removed_at is null and head_since is not null and backfill_target is null
                and unreachable_since is null
            """
        ).fetchone()
    return row[0] if row else None
