"""Dagster keeps every event for ever; here old runs, and old reports of drains, are forgotten.

A poll every five minutes is 100,000 runs a year. What they found out is in the raw tables and in
the marts; their events are for looking into what went wrong lately.
"""

from datetime import UTC, datetime, timedelta

from dagster import (
    DagsterInstance,
    DagsterRunStatus,
    DefaultScheduleStatus,
    OpExecutionContext,
    RunsFilter,
    ScheduleDefinition,
    job,
    op,
)
from dagster._core.storage.event_log import SqlEventLogStorage
from dagster._core.storage.event_log.schema import AssetEventTagsTable, SqlEventLogStorageTable
from sqlalchemy import delete, func, select

KEPT_DAYS = 14
_BATCH = 200
_ENDED = [DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED]


def forget_runs_before(instance: DagsterInstance, moment: datetime) -> int:
    """Delete runs that have ended and were created before a moment; give how many.

    The newest run of each job stays, however old: it is what the pages of the assets show.
    """
    old = RunsFilter(statuses=_ENDED, created_before=moment)
    kept: dict[str, str] = {}
    forgotten = 0
    while True:
        runs = instance.get_runs(old, limit=_BATCH)
        for run in runs:
            if run.job_name not in kept:
                [newest] = instance.get_runs(RunsFilter(job_name=run.job_name), limit=1)
                kept[run.job_name] = newest.run_id
        doomed = [run.run_id for run in runs if run.run_id not in kept.values()]
        for run_id in doomed:
            instance.delete_run(run_id)
        forgotten += len(doomed)
        if not doomed:
            return forgotten


def forget_reports_before(instance: DagsterInstance, moment: datetime) -> int:
    """Delete what was reported outside of runs before a moment, such as drains; give how much.

    The newest report of each asset stays. The tables are Dagster's own, and no call of its own does
    this: the version is pinned, and a test runs it.
    """
    events, tags = SqlEventLogStorageTable, AssetEventTagsTable
    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        return 0
    newest = select(func.max(events.c.id)).where(events.c.run_id == "").group_by(events.c.asset_key)
    old = (
        select(events.c.id)
        .where(events.c.run_id == "", events.c.timestamp < moment.replace(tzinfo=None))
        .where(events.c.id.not_in(newest))
    )
    with storage.index_connection() as connection:
        connection.execute(delete(tags).where(tags.c.event_id.in_(old)))
        return int(connection.execute(delete(events).where(events.c.id.in_(old))).rowcount)


@op(description=f"Delete runs that ended more than {KEPT_DAYS} days ago, with their events.")
def forget_old_runs(context: OpExecutionContext) -> None:
    moment = datetime.now(UTC) - timedelta(days=KEPT_DAYS)
    context.log.info("%d runs forgotten", forget_runs_before(context.instance, moment))
    context.log.info("%d reports forgotten", forget_reports_before(context.instance, moment))


@job(description="Keep Dagster's own database small.")
def forget() -> None:
    forget_old_runs()


forgetting_schedule = ScheduleDefinition(
    name="forget_old_runs",
    job=forget,
    cron_schedule="17 3 * * *",
    execution_timezone="UTC",
    default_status=DefaultScheduleStatus.RUNNING,
)
