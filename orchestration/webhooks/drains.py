"""Drains beside other work: in the sensor's tick, and between the passes of a build."""

from logging import Logger

from dagster import AssetMaterialization

from actionsight.settings import Settings
from ingestion.webhooks.drain import DrainError, DrainResult, drain
from orchestration.webhooks.assets import event_buffer, materialisations

# The daemon waits a minute for a tick, and a build for its next pass.
DRAIN_SECONDS = 10


class Drains:
    """Drains of a process that has other things to do, reported together."""

    def __init__(self, settings: Settings, log: Logger) -> None:
        self._settings = settings
        self._log = log
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
            self._log.error("Webhooks wait in the event buffer: %s", error)
            return
        if not drained.event_count:
            return
        self._log.info(
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
