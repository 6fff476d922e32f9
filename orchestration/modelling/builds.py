"""When the models are built: whenever loads exist that no build has taken in, and once a night."""

import time
from datetime import UTC, datetime

from dagster import (
    AssetSelection,
    DagsterEventType,
    DagsterInstance,
    DagsterRunStatus,
    DefaultScheduleStatus,
    RunRecord,
    RunRequest,
    RunsFilter,
    ScheduleDefinition,
    SensorEvaluationContext,
    SkipReason,
    define_asset_job,
)

from actionsight.backlog import is_build_owed, unbuilt_load_count
from orchestration.dagster_runs import under_way
from orchestration.freshness import FULL_BUILD_CRON
from orchestration.modelling.assets import HOT_BUILD, models
from orchestration.modelling.drift import no_row_drifted
from orchestration.modelling.reconciliation import webhooks_tell_enough
from orchestration.run_kinds import of_kind

# Views change with a version and tests look at everything: neither belongs behind each load.
build = define_asset_job(
    HOT_BUILD,
    selection=(
        AssetSelection.assets(models) & AssetSelection.groups("intermediate", "marts")
    ).without_checks(),
    description="Build the marts of the loads that are not built yet.",
    tags=of_kind("build"),
)
full_build = define_asset_job(
    "full_build",
    selection=AssetSelection.assets(models)
    - AssetSelection.checks(webhooks_tell_enough, no_row_drifted),
    description="All that `dbt build` does: views, marts and their data tests.",
    tags=of_kind("build"),
)
full_build_schedule = ScheduleDefinition(
    name="build_and_test_everything",
    job=full_build,
    cron_schedule=FULL_BUILD_CRON,
    execution_timezone="UTC",
    default_status=DefaultScheduleStatus.RUNNING,
)

RETRY_SECONDS = 60
# Of one whose process was killed nothing says that the next will fail, too.
LOST_SECONDS = 5
# A full build that is lost each time, for want of memory say, does not keep others from theirs.
FULL_BUILD_TRIES = 3
# The code server imports this module once, when it starts, which an upgrade follows.
START_TAG = {"actionsight/start": datetime.now(UTC).isoformat()}


def build_request(context: SensorEvaluationContext, database_url: str) -> RunRequest | SkipReason:
    """A request for a build where loads are unbuilt and none is under way; else why not.

    `drain_and_build` asks for it every few seconds (`orchestration/sensors.py`). The database is
    asked each time, so that no missed event, crash or restart can leave a load unbuilt. The first
    one after a start is a full one, also where that was lost once or twice: another version may
    have other views.
    """
    # First, since what Dagster knows costs six connections to ask for.
    if not is_build_owed(database_url):
        return SkipReason("Every load is built.")
    instance = context.instance
    running = under_way(instance, [build.name, full_build.name])
    if running:
        return SkipReason(f"The build {running[0].run_id[:8]} is under way.")
    newest = [
        record
        for job in (build, full_build)
        for record in instance.get_run_records(RunsFilter(job_name=job.name), limit=1)
    ]
    if any(_failed_just_now(instance, record) for record in newest):
        return SkipReason("The last build failed; it is tried again a minute after its end.")
    tags = {"actionsight/unbuilt_loads": str(unbuilt_load_count(database_url))}
    full = instance.get_run_records(RunsFilter(tags=START_TAG), limit=FULL_BUILD_TRIES)
    if len(full) < FULL_BUILD_TRIES and all(_was_lost(instance, record) for record in full):
        return RunRequest(job_name=full_build.name, tags={**tags, **START_TAG})
    return RunRequest(job_name=build.name, tags=tags)


def _failed_just_now(instance: DagsterInstance, record: RunRecord) -> bool:
    if record.dagster_run.status != DagsterRunStatus.FAILURE:
        return False
    pause = LOST_SECONDS if _was_lost(instance, record) else RETRY_SECONDS
    return time.time() - (record.end_time or 0) < pause


def _was_lost(instance: DagsterInstance, record: RunRecord) -> bool:
    """Whether a run failed although no step of it did: its process was killed, or never began."""
    run = record.dagster_run
    return (
        run.status == DagsterRunStatus.FAILURE
        and not instance.get_records_for_run(
            run.run_id, of_type=DagsterEventType.STEP_FAILURE, limit=1
        ).records
    )
