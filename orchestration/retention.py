"""What is old goes, once a day: of raw data and of what is known of people by the rules of
`actionsight/retention`; of Dagster's own storage, which keeps everything for ever, by those here.

The job says first what would go, then removes it, batch by batch. What runs found out is in the raw
tables and in the marts; their events are for looking into what went wrong lately. The tables are
Dagster's own, and no call of its own does all of this: the version is pinned, and a test runs it.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from dagster import (
    DagsterInstance,
    DagsterRunStatus,
    DefaultScheduleStatus,
    In,
    Nothing,
    OpExecutionContext,
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
from dagster._core.storage.runs import SqlRunStorage
from dagster._core.storage.runs.schema import RunsTable, SnapshotsTable
from dagster._core.storage.schedules import SqlScheduleStorage
from dagster._core.storage.schedules.schema import JobTickTable
from sqlalchemy import ColumnElement, Select, Table, delete, func, select

from actionsight.database import connect
from actionsight.disk import Disk
from actionsight.retention import LOGS, RULES, Rule, due, make_room, remove
from actionsight.settings import load
from orchestration.run_kinds import of_kind

_ENDED = [
    status.value
    for status in (DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED)
]
# Deleting a run is a dozen statements.
_BATCH, _RUNS_BATCH = 5_000, 200
# Where a run's body, which is JSON, names the snapshot of its plan.
_PLAN = re.compile(r'"execution_plan_snapshot_id": "(\w+)"')


def _old_runs(before: datetime) -> Select[Any]:
    """Runs that have ended, but for each job's newest: the pages of the assets show it."""
    runs = RunsTable.c
    newest = select(func.max(runs.id)).group_by(runs.pipeline_name)
    return select(runs.run_id).where(
        runs.status.in_(_ENDED),
        runs.create_timestamp < before.replace(tzinfo=None),
        runs.id.not_in(newest),
    )


def _old_reports(before: datetime) -> ColumnElement[bool]:
    """What was reported outside of runs, such as drains, but for the newest of each asset."""
    events = SqlEventLogStorageTable.c
    newest = select(func.max(events.id)).where(events.run_id == "").group_by(events.asset_key)
    return (
        (events.run_id == "")
        & (events.timestamp < before.replace(tzinfo=None))
        & events.id.not_in(newest)
    )


def _old_checks(before: datetime) -> ColumnElement[bool]:
    """Executions of checks, but for each check's newest. Deleting a run leaves them, and a build
    has hundreds."""
    checks = AssetCheckExecutionsTable.c
    newest = select(func.max(checks.id)).group_by(checks.asset_key, checks.check_name)
    return (checks.create_timestamp < before.replace(tzinfo=None)) & checks.id.not_in(newest)


def _old_ticks(before: datetime) -> ColumnElement[bool]:
    """Those of each schedule and sensor but for its newest, from which the next one follows."""
    ticks = JobTickTable.c
    newest = select(func.max(ticks.id)).group_by(ticks.job_origin_id)
    return (ticks.timestamp < before.replace(tzinfo=None)) & ticks.id.not_in(newest)


def count_runs(instance: DagsterInstance, before: datetime) -> int:
    """How many runs from before a moment would go."""
    storage = instance.run_storage
    if not isinstance(storage, SqlRunStorage):
        return 0
    with storage.connect() as connection:
        return _counted(connection, _old_runs(before))


def delete_runs(instance: DagsterInstance, before: datetime) -> int:
    """Delete some of them, with their events; give how many."""
    storage = instance.run_storage
    if not isinstance(storage, SqlRunStorage):
        return 0
    with storage.connect() as connection:
        runs = connection.execute(_old_runs(before).limit(_RUNS_BATCH)).scalars().all()
    for run_id in runs:
        instance.delete_run(run_id)
    return len(runs)


def count_reports(instance: DagsterInstance, before: datetime) -> int:
    """How much that was reported before a moment would go."""
    return _count_events(instance, SqlEventLogStorageTable, _old_reports(before))


def delete_reports(instance: DagsterInstance, before: datetime) -> int:
    """Delete some of it, with its tags; give how much."""
    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        return 0
    events, tags = SqlEventLogStorageTable, AssetEventTagsTable
    with storage.index_connection() as connection:
        old = connection.execute(select(events.c.id).where(_old_reports(before)).limit(_BATCH))
        ids = old.scalars().all()
        connection.execute(delete(tags).where(tags.c.event_id.in_(ids)))
        connection.execute(delete(events).where(events.c.id.in_(ids)))
    return len(ids)


def count_checks(instance: DagsterInstance, before: datetime) -> int:
    """How many executions of checks from before a moment would go."""
    return _count_events(instance, AssetCheckExecutionsTable, _old_checks(before))


def delete_checks(instance: DagsterInstance, before: datetime) -> int:
    """Delete some of them; give how many."""
    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        return 0
    with storage.index_connection() as connection:
        return _delete_some(connection, AssetCheckExecutionsTable, _old_checks(before))


def count_ticks(instance: DagsterInstance, before: datetime) -> int:
    """How many ticks from before a moment would go; most went by `retention` in dagster.yaml."""
    storage = instance.schedule_storage
    if not isinstance(storage, SqlScheduleStorage):
        return 0
    with storage.connect() as connection:
        return _counted(connection, select(JobTickTable.c.id).where(_old_ticks(before)))


def delete_ticks(instance: DagsterInstance, before: datetime) -> int:
    """Delete some of them; give how many."""
    storage = instance.schedule_storage
    if not isinstance(storage, SqlScheduleStorage):
        return 0
    with storage.connect() as connection:
        return _delete_some(connection, JobTickTable, _old_ticks(before))


def _unused_snapshots(connection: Any) -> list[int]:
    """Snapshots of jobs and of plans that no run is of any more: each version of Actionsight has
    others. Not the newest, which a run that is just being made may be of."""
    used: set[str | None] = set()
    runs = RunsTable.c
    some = select(runs.id, runs.snapshot_id, runs.run_body).order_by(runs.id).limit(_BATCH)
    last = 0
    while found := connection.execute(some.where(runs.id > last)).all():
        last = found[-1].id
        for _, snapshot_id, body in found:
            used |= {snapshot_id, *_PLAN.findall(body)}
    known = connection.execute(select(SnapshotsTable.c.id, SnapshotsTable.c.snapshot_id)).all()
    newest = max((number for number, snapshot_id in known if snapshot_id in used), default=0)
    return [number for number, snapshot_id in known if snapshot_id not in used and number < newest]


def count_snapshots(instance: DagsterInstance, _before: datetime) -> int:
    """How many snapshots would go, had the runs gone that go before them."""
    storage = instance.run_storage
    if not isinstance(storage, SqlRunStorage):
        return 0
    with storage.connect() as connection:
        return len(_unused_snapshots(connection))


def delete_snapshots(instance: DagsterInstance, _before: datetime) -> int:
    """Delete them; give how many."""
    storage = instance.run_storage
    if not isinstance(storage, SqlRunStorage):
        return 0
    with storage.connect() as connection:
        unused = _unused_snapshots(connection)
        connection.execute(delete(SnapshotsTable).where(SnapshotsTable.c.id.in_(unused)))
    return len(unused)


def count_files(instance: DagsterInstance, before: datetime) -> int:
    """How many files of Dagster's home from before a moment would go.

    Runs leave none today; earlier versions kept the output of each run and each tick.
    """
    return sum(1 for _ in _old_files(Path(instance.storage_directory()), before))


def delete_files(instance: DagsterInstance, before: datetime) -> int:
    """Delete some of them, then folders that are empty; give how many files."""
    folder = Path(instance.storage_directory())
    deleted = 0
    for path in list(islice(_old_files(folder, before), _BATCH)):
        path.unlink(missing_ok=True)
        deleted += 1
    if not deleted:
        # What lies in a folder before the folder.
        for path in sorted(folder.rglob("*"), reverse=True):
            if path.is_dir():
                with suppress(OSError):  # it is not empty
                    path.rmdir()
    return deleted


def _old_files(folder: Path, before: datetime) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if not path.is_dir() and path.lstat().st_mtime < before.timestamp():
            yield path


def _count_events(instance: DagsterInstance, table: Table, old: ColumnElement[bool]) -> int:
    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        return 0
    with storage.index_connection() as connection:
        return _counted(connection, select(table.c.id).where(old))


def _counted(connection: Any, query: Select[Any]) -> int:
    return int(connection.execute(select(func.count()).select_from(query.subquery())).scalar_one())


def _delete_some(connection: Any, table: Table, old: ColumnElement[bool]) -> int:
    some = select(table.c.id).where(old).limit(_BATCH)
    return int(connection.execute(delete(table).where(table.c.id.in_(some))).rowcount)


DAGSTER_RULES: tuple[Rule[DagsterInstance], ...] = (
    Rule("Dagster's runs", "retention_dagster_days", count_runs, delete_runs),
    Rule("snapshots of jobs", "retention_dagster_days", count_snapshots, delete_snapshots),
    Rule("reports to Dagster", "retention_dagster_days", count_reports, delete_reports),
    Rule("executions of checks", "retention_dagster_days", count_checks, delete_checks),
    Rule("ticks", "retention_dagster_days", count_ticks, delete_ticks),
    Rule("Dagster's files", "retention_dagster_days", count_files, delete_files),
)


@op(description="Count what is older than the settings ACTIONSIGHT_RETENTION_… allow.")
def say_what_is_old(context: OpExecutionContext) -> None:
    counts: dict[str, int] = {}
    for rule, source, before in _rules(context.instance):
        counts[rule.what] = rule.count(source, before)
        context.log.info("%d %s would go", counts[rule.what], rule.what)
    context.add_output_metadata(counts)


@op(
    ins={"said": In(Nothing)},
    description="Remove it, in batches; after a kill the next one goes on.",
)
def remove_what_is_old(context: OpExecutionContext) -> None:
    counts: dict[str, int] = {}
    for rule, source, before in _rules(context.instance):
        counts[rule.what] = remove(rule, source, before)
        context.log.info("%d %s went, from before %s", counts[rule.what], rule.what, before)
    settings = load()
    with connect(str(settings.database_url), autocommit=True) as connection:
        early = make_room(connection, Disk(settings))
    if early:
        context.log.warning("The disk is nearly full: %d payloads went early", early)
    counts["payloads that went early"] = early
    context.add_output_metadata(counts)


def _rules(instance: DagsterInstance) -> Iterator[tuple[Rule[Any], Any, datetime]]:
    """Every rule by which something goes, of what, and from before when."""
    settings, now = load(), datetime.now(UTC)
    with connect(str(settings.database_url), autocommit=True) as connection:
        for rule, before in due(RULES, settings, now):
            yield rule, connection, before
    for log_rule, before in due([LOGS], settings, now):
        yield log_rule, settings.data_dir, before
    for dagster_rule, before in due(DAGSTER_RULES, settings, now):
        yield dagster_rule, instance, before


@job(
    description="Remove what is older than the settings ACTIONSIGHT_RETENTION_… allow, and say it.",
    tags=of_kind("retention"),
)
def retention() -> None:
    remove_what_is_old(said=say_what_is_old())


retention_schedule = ScheduleDefinition(
    name="retention_daily",
    job=retention,
    cron_schedule="17 3 * * *",
    execution_timezone="UTC",
    default_status=DefaultScheduleStatus.RUNNING,
)
