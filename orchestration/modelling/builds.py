"""When the models are built: whenever loads exist that no build has taken in."""

import time

from dagster import (
    AssetSelection,
    DagsterInstance,
    DagsterRunStatus,
    DefaultSensorStatus,
    RunRequest,
    RunsFilter,
    SensorEvaluationContext,
    SkipReason,
    define_asset_job,
    sensor,
)

from actionsight.database import connect
from actionsight.settings import load
from orchestration.modelling.assets import models
from orchestration.runs import fail_orphans, under_way

build = define_asset_job(
    "build",
    selection=AssetSelection.assets(models),
    description="Build the models of the loads that are not built yet, and test them.",
)

RETRY_SECONDS = 60


def unbuilt_load_count(database_url: str) -> int:
    """How many committed loads no build has taken in yet."""
    with connect(database_url) as connection:
        built = connection.execute("select to_regclass('marts.built_loads')").fetchone()
        if built == (None,):
            counted = connection.execute("select count(*) from raw.loads").fetchone()
        else:
            counted = connection.execute(
                """
                select count(*) from raw.loads
                where not exists (
                    select from marts.built_loads where built_loads.load_id = loads.load_id
                )
                """
            ).fetchone()
    return int(counted[0]) if counted else 0


@sensor(
    job=build,
    minimum_interval_seconds=3,
    default_status=DefaultSensorStatus.RUNNING,
    description="Asks for a build while unbuilt loads exist; never more than one waits.",
)
def models_owed(context: SensorEvaluationContext) -> RunRequest | SkipReason:
    """Request a build when one is owed and none is under way.

    The question is asked of the database at every tick, so that no missed event, crash or restart
    can leave a load unbuilt.
    """
    for run_id in fail_orphans(context.instance):
        context.log.warning("The process of run %s is gone: reported as failed.", run_id)
    running = under_way(context.instance, [build.name])
    if running:
        return SkipReason(f"The build {running[0].run_id[:8]} is under way.")
    if _failed_just_now(context.instance):
        return SkipReason("The last build failed; it is tried again a minute after its end.")
    owed = unbuilt_load_count(str(load().database_url))
    if owed == 0:
        return SkipReason("Every load is built.")
    return RunRequest(tags={"actionsight/unbuilt_loads": str(owed)})


def _failed_just_now(instance: DagsterInstance) -> bool:
    newest = instance.get_run_records(RunsFilter(job_name=build.name), limit=1)
    if not newest or newest[0].dagster_run.status != DagsterRunStatus.FAILURE:
        return False
    return time.time() - (newest[0].end_time or 0) < RETRY_SECONDS
