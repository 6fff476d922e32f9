"""Drains beside other work: in the sensor's tick, and between the passes of a build."""

import logging

from dagster import AssetMaterialization

from actionsight.settings import Settings
from ingestion.webhooks.drain import DrainError, DrainResult, drain
from orchestration.webhooks.assets import event_buffer, materialisations

# Not the log of a tick's context, which makes an instance of Dagster: six connections each time.
logger = logging.getLogger(__name__)

# The daemon waits a minute for a tick, and a build for its next pass.
DRAIN_SECONDS = 10


class Drains:
    """Drains of a process that has other things to do, reported together."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._drained: DrainResult | None = None

    def drain(self) -> None:
        """Drain what is buffered; a failure is logged, and must not keep loads from being built."""
        settings = self._settings
        if settings.redis_url is None:
            return
        try:
            drained = drain(
                str(settings.database_url), event_buffer(settings.redis_url), seconds=DRAIN_SECONDS
            )
        except DrainError as error:
            logger.error("Webhooks wait in the event buffer: %s", error)
            return
        if not drained.event_count:
            return
        logger.info(
            "%d deliveries: %d new, %d known, %d unreadable",
            drained.event_count,
            drained.new_count,
            drained.duplicate_count,
            drained.dead_letter_count,
        )
        self._drained = self._drained + drained if self._drained else drained

    def materialisations(self) -> list[AssetMaterialization]:
        """What there is to report of all of them: every table, or nothing."""
        return materialisations(self._settings, self._drained) if self._drained else []
