"""When the models are built: whenever loads exist that no build has taken in."""

import time

from dagster import (
    AssetSelection,
    DagsterInstance,
    DagsterRunStatus,
    RunRequest,
    RunsFilter,
    SkipReason,
    define_asset_job,
)

from actionsight.backlog import is_build_owed, unbuilt_load_count
from orchestration.dagster_runs import under_way
from orchestration.modelling.assets import models
from orchestration.modelling.reconciliation import webhooks_tell_enough

build = define_asset_job(
    "build",
    selection=AssetSelection.assets(models) - AssetSelection.checks(webhooks_tell_enough),
    description="Build the models of the loads that are not built yet, and test them.",
)

RETRY_SECONDS = 60


def build_request(instance: DagsterInstance, database_url: str) -> RunRequest | SkipReason:
    """A request for a build where loads are unbuilt and none is under way; else why not.

    `drain_and_build` asks for it every few seconds (`orchestration/sensors.py`). The database is
    asked each time, so that no missed event, crash or restart can leave a load unbuilt.
    """
    running = under_way(instance, [build.name])
    if running:
        return SkipReason(f"The build {running[0].run_id[:8]} is under way.")
    if _failed_just_now(instance):
        return SkipReason("The last build failed; it is tried again a minute after its end.")
    if not is_build_owed(database_url):
        return SkipReason("Every load is built.")
    unbuilt = unbuilt_load_count(database_url)
    return RunRequest(job_name=build.name, tags={"actionsight/unbuilt_loads": str(unbuilt)})


def _failed_just_now(instance: DagsterInstance) -> bool:
    newest = instance.get_run_records(RunsFilter(job_name=build.name), limit=1)
    if not newest or newest[0].dagster_run.status != DagsterRunStatus.FAILURE:
        return False
    return time.time() - (newest[0].end_time or 0) < RETRY_SECONDS
