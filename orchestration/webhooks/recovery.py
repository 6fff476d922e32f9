"""Deliveries that failed: what was asked for again, as an asset, and when that is looked at."""

from typing import Any

from dagster import (
    AssetKey,
    AssetSelection,
    DefaultScheduleStatus,
    MaterializeResult,
    RunRequest,
    ScheduleEvaluationContext,
    SkipReason,
    asset,
    define_asset_job,
    schedule,
)

from actionsight.database import connect
from actionsight.settings import load
from ingestion.webhooks.recovery import knows_a_hook, recover
from orchestration.asset_specs import GITHUB_WEBHOOKS
from orchestration.dagster_runs import under_way
from orchestration.row_counts import row_count
from orchestration.run_kinds import of_kind

REDELIVERIES = AssetKey(["raw", "webhook_redeliveries"])


@asset(
    key=REDELIVERIES,
    deps=[AssetKey(GITHUB_WEBHOOKS)],
    group_name="raw",
    kinds={"github", "postgres"},
    description=(
        "One row per delivery that GitHub could not make, since nothing answered or what did was"
        " in trouble (5xx, 429), and when GitHub was asked to make it again."
    ),
)
def webhook_redeliveries() -> MaterializeResult[Any]:
    """Look what failed since the last time, and ask for it again."""
    settings = load()
    recovered = recover(settings)
    with connect(str(settings.database_url)) as connection:
        counted = row_count(connection, *REDELIVERIES.path)
    return MaterializeResult(
        metadata={
            "found": recovered.found_count,
            "failed_again": recovered.failed_again_count,
            "asked": recovered.asked_count,
            "left_for_later": recovered.left_count,
            "left_to_the_sweep": recovered.given_up_count,
            "webhooks_not_read": list(recovered.unread_hooks),
            **counted,
        }
    )


recover_webhooks = define_asset_job(
    "recover_webhooks",
    selection=AssetSelection.assets(webhook_redeliveries),
    description="Let GitHub deliver again what failed in three days, at growing distances.",
    tags=of_kind("recovery"),
)


@schedule(
    job=recover_webhooks,
    cron_schedule="11,41 * * * *",
    execution_timezone="UTC",
    default_status=DefaultScheduleStatus.RUNNING,
    description="Looks twice an hour which webhooks GitHub could not deliver, where one is known.",
)
def recover_failed_deliveries(context: ScheduleEvaluationContext) -> RunRequest | SkipReason:
    """Request a recovery, unless one is under way."""
    if not knows_a_hook(load()):
        return SkipReason("No webhook is known whose deliveries could be looked at.")
    running = under_way(context.instance, [recover_webhooks.name])
    if running:
        return SkipReason(f"The recovery {running[0].run_id[:8]} is still under way.")
    return RunRequest()
