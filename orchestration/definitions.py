"""The one code location: what each folder defines, merged."""

import gc

from dagster import (
    AssetSelection,
    Definitions,
    define_asset_job,
    mem_io_manager,
)

from actionsight.settings import load
from orchestration.asset_specs import condensed_tables, repository_history, runner_lists
from orchestration.levels.assets import SYNC, duration_levels, find_levels, levels_schedule
from orchestration.liveness import live_executor
from orchestration.modelling.assets import models, project, translator
from orchestration.modelling.builds import build, full_build, full_build_schedule
from orchestration.modelling.constraints import constraints_hold
from orchestration.modelling.drift import check_drift, drift_schedule, no_row_drifted
from orchestration.modelling.exposures import exposure_specs
from orchestration.modelling.reconciliation import (
    reconcile,
    reconciling_schedule,
    webhooks_tell_enough,
)
from orchestration.polling.assets import github_rest, polled_tables, run_config
from orchestration.polling.schedules import (
    backfill,
    collect,
    polling_schedule,
    read_history,
    sweep,
    sweep_github,
)
from orchestration.purging import purge
from orchestration.retention import retention, retention_schedule
from orchestration.sensors import (
    disk_budget,
    drain_and_build,
    new_repositories,
    purge_requests,
)
from orchestration.webhooks.assets import drained_tables, github_webhooks
from orchestration.webhooks.recovery import (
    recover_failed_deliveries,
    recover_webhooks,
    webhook_redeliveries,
)

sync = define_asset_job(
    SYNC,
    selection=AssetSelection.assets(polled_tables, drained_tables, models)
    - AssetSelection.checks(no_row_drifted),
    description="All that is owed by GitHub, one drain, and the build of it: `actionsight sync`.",
    config={
        **run_config(is_watched=True),
        # For the person who watches: progress, without Dagster's own steps.
        "loggers": {"console": {"config": {"log_level": "INFO"}}},
    },
)

defs = Definitions(
    assets=[
        github_rest,
        github_webhooks,
        polled_tables,
        drained_tables,
        webhook_redeliveries,
        repository_history,
        *runner_lists,
        *condensed_tables,
        models,
        duration_levels,
        *exposure_specs(project, translator, load()),
    ],
    asset_checks=[webhooks_tell_enough, constraints_hold, no_row_drifted],
    jobs=[
        *(collect, sweep, backfill, build, full_build, sync),
        *(recover_webhooks, reconcile, check_drift, find_levels, retention, purge),
    ],
    schedules=[
        polling_schedule(load().poll_minutes),
        sweep_github,
        read_history,
        full_build_schedule,
        recover_failed_deliveries,
        reconciling_schedule,
        drift_schedule,
        levels_schedule,
        retention_schedule,
    ],
    sensors=[drain_and_build, new_repositories, purge_requests, disk_budget],
    executor=live_executor,
    # Nothing is handed from step to step; the default would make a folder for each run.
    resources={"io_manager": mem_io_manager},
)

# What is imported stays: no look for garbage has to go through it, and runs, which are forked from
# a process that has it, go on sharing its memory.
gc.freeze()
