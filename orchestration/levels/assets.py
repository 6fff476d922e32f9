"""Levels of durations as an asset, between the marts from which they are computed and the one that
tells of their changes, and when they are looked for."""

from typing import Any

from dagster import (
    AssetExecutionContext,
    AssetKey,
    AssetMaterialization,
    AssetSelection,
    DefaultScheduleStatus,
    MaterializeResult,
    ScheduleDefinition,
    asset,
    define_asset_job,
)

from actionsight.settings import load
from orchestration.freshness import FULL_BUILD_CRON, nightly
from orchestration.levels.series import Look, look_at_changed_repositories, look_at_new_runs
from orchestration.run_kinds import of_kind

LEVELS = AssetKey(["raw", "duration_levels"])
# The job of `actionsight sync`.
SYNC = "sync"


@asset(
    key=LEVELS,
    deps=[
        AssetKey(["marts", "workflow_runs"]),
        AssetKey(["marts", "jobs"]),
    ],
    group_name="levels",
    freshness_policy=nightly,
    kinds={"python", "postgres"},
    description=(
        "One row per series of durations that has, or had, several levels: the first run of each"
        " but the first, and the medians and numbers of runs of all. Computed after a build where"
        " a workflow has 8 new runs, and each night for whatever may have changed."
    ),
)
def duration_levels() -> MaterializeResult[Any]:
    """Look at all workflows of repositories of which something has changed since."""
    look = look_at_changed_repositories(str(load().database_url))
    return MaterializeResult(metadata=_metadata(look))


def look_after_build(context: AssetExecutionContext) -> bool:
    """Look at what a build brought, within its run: at workflows with new runs, or, where a person
    waits for all of it, at every change.

    Gives whether that brought a load, which is to be built.
    """
    looks = look_at_changed_repositories if context.run.job_name == SYNC else look_at_new_runs
    look = looks(str(load().database_url))
    if look.workflow_count:
        context.log_event(AssetMaterialization(LEVELS, metadata=_metadata(look)))
    return look.changed_series_count > 0


def _metadata(look: Look) -> dict[str, int]:
    return {
        "workflows": look.workflow_count,
        "series": look.series_count,
        "series_changed": look.changed_series_count,
    }


find_levels = define_asset_job(
    "find_levels",
    selection=AssetSelection.assets(duration_levels),
    description="Look for changes of level in all series of which something has changed.",
    tags=of_kind("levels"),
)
levels_schedule = ScheduleDefinition(
    name="find_levels_nightly",
    job=find_levels,
    cron_schedule=FULL_BUILD_CRON,
    execution_timezone="UTC",
    default_status=DefaultScheduleStatus.RUNNING,
)
