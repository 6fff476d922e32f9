"""The one code location: what each folder defines, merged."""

from dagster import AssetSelection, Definitions, define_asset_job, in_process_executor

from actionsight.settings import load
from orchestration.modelling.assets import models
from orchestration.modelling.builds import build, models_owed
from orchestration.polling.assets import github_rest, polled_tables
from orchestration.polling.schedules import collect, polling_schedule
from orchestration.retention import forget, forgetting_schedule

sync = define_asset_job(
    "sync",
    selection=AssetSelection.assets(polled_tables, models),
    description="One poll and the build of all that it brought; `actionsight sync` runs it.",
    # For the person who watches: progress, without Dagster's own steps.
    config={"loggers": {"console": {"config": {"log_level": "INFO"}}}},
)

defs = Definitions(
    assets=[github_rest, polled_tables, models],
    jobs=[collect, build, sync, forget],
    schedules=[polling_schedule(load().poll_minutes), forgetting_schedule],
    sensors=[models_owed],
    executor=in_process_executor,
)
