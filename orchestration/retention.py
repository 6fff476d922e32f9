"""Dagster keeps everything for ever; here old runs are deleted, with all that they left.

A poll every five minutes is 100,000 runs a year. What they found out is in the raw tables and in
the marts; their events are for looking into what went wrong lately. The tables are Dagster's own,
and no call of its own does all of this: the version is pinned, and a test runs it.
"""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

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
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    AssetEventTagsTable,
    SqlEventLogStorageTable,
)
from sqlalchemy import delete, func, select

KEPT_DAYS = 14
_BATCH = 200
_ENDED = [DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED]


def delete_runs_before(instance: DagsterInstance, moment: datetime) -> int:
    """Delete runs that have ended and were created before a moment; give how many.

    The newest run of each job stays, however old: it is what the pages of the assets show.
    """
    old = RunsFilter(statuses=_ENDED, created_before=moment)
    kept: dict[str, str] = {}
    deleted = 0
    while True:
        runs = instance.get_runs(old, limit=_BATCH)
        for run in runs:
            if run.job_name not in kept:
                [newest] = instance.get_runs(RunsFilter(job_name=run.job_name), limit=1)
                kept[run.job_name] = newest.run_id
        doomed = [run.run_id for run in runs if run.run_id not in kept.values()]
        for run_id in doomed:
            instance.delete_run(run_id)
        deleted += len(doomed)
        if not doomed:
            return deleted


def delete_reports_before(instance: DagsterInstance, moment: datetime) -> int:
    """Delete what was reported outside of runs before a moment, such as drains; give how much.

    The newest report of each asset stays.
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
        return connection.execute(delete(events).where(events.c.id.in_(old))).rowcount


def delete_checks_before(instance: DagsterInstance, moment: datetime) -> int:
    """Delete the executions of checks before a moment, but for each check's newest; give how many.

    Deleting a run leaves them, and a build has hundreds.
    """
    checks = AssetCheckExecutionsTable.c
    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        return 0
    newest = select(func.max(checks.id)).group_by(checks.asset_key, checks.check_name)
    old = delete(AssetCheckExecutionsTable).where(
        checks.create_timestamp < moment.replace(tzinfo=None), checks.id.not_in(newest)
    )
    with storage.index_connection() as connection:
        return connection.execute(old).rowcount


def delete_files_before(folder: Path, moment: datetime) -> int:
    """Delete files that were written before a moment, then empty folders; give how many files.

    Runs leave none today; earlier versions kept the output of each run and each tick.
    """
    deleted = 0
    for path in sorted(folder.rglob("*"), reverse=True):  # what lies in a folder before the folder
        if path.is_dir():
            with suppress(OSError):  # it is not empty
                path.rmdir()
        elif path.lstat().st_mtime < moment.timestamp():
            path.unlink()
            deleted += 1
    return deleted


@op(description=f"Delete runs that ended more than {KEPT_DAYS} days ago, with all that they left.")
def delete_old_runs(context: OpExecutionContext) -> None:
    moment = datetime.now(UTC) - timedelta(days=KEPT_DAYS)
    files = Path(context.instance.storage_directory())
    context.log.info("%d runs deleted", delete_runs_before(context.instance, moment))
    context.log.info("%d reports deleted", delete_reports_before(context.instance, moment))
    context.log.info("%d checks deleted", delete_checks_before(context.instance, moment))
    context.log.info("%d files deleted", delete_files_before(files, moment))


@job(description="Keep Dagster's own database small.")
def purge_old_runs() -> None:
    delete_old_runs()


old_runs_schedule = ScheduleDefinition(
    name="purge_old_runs_daily",
    job=purge_old_runs,
    cron_schedule="17 3 * * *",
    execution_timezone="UTC",
    default_status=DefaultScheduleStatus.RUNNING,
)
