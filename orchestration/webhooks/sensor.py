"""The live path: drain in the tick, then ask for the models.

A drain of a thousand events takes less than a second and can be repeated at any point, while the
launch of a run takes many: so it happens here, and only the models run as a run.
"""

from collections.abc import Sequence

from dagster import (
    AssetMaterialization,
    DefaultSensorStatus,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    sensor,
)

from actionsight.settings import Settings, load
from ingestion.webhooks.drain import DrainError, drain
from orchestration.modelling.builds import build, owed_build
from orchestration.webhooks.assets import event_buffer, materialisations

# The daemon waits a minute for a tick.
DRAIN_SECONDS = 10


@sensor(
    job=build,
    # The daemon comes round every five seconds; a longer interval would skip every other round.
    minimum_interval_seconds=3,
    default_status=DefaultSensorStatus.RUNNING,
    description="Drains webhooks into the raw tables; asks for a build while unbuilt loads exist.",
)
def drain_and_build(context: SensorEvaluationContext) -> SensorResult:
    """Drain what is buffered, report it, and request a build when one is owed."""
    settings = load()
    events = _drain(context, settings)
    request = owed_build(context.instance, str(settings.database_url))
    if isinstance(request, SkipReason):
        return SensorResult(skip_reason=request, asset_events=events)
    return SensorResult(run_requests=[request], asset_events=events)


def _drain(context: SensorEvaluationContext, settings: Settings) -> Sequence[AssetMaterialization]:
    """What the drain has to report; its failure must not keep polled loads from being built."""
    try:
        drained = drain(
            str(settings.database_url),
            event_buffer(str(settings.redis_url)),
            seconds=DRAIN_SECONDS,
        )
    except DrainError as error:
        context.log.error("Webhooks wait in the event buffer: %s", error)
        return []
    if not drained.event_count:
        return []
    context.log.info(
        "%d deliveries: %d new, %d known, %d unreadable",
        drained.event_count,
        drained.new_count,
        drained.duplicate_count,
        drained.dead_letter_count,
    )
    return materialisations(settings, drained)
