"""The event buffer of this process: what the receiver fills, and readiness and metrics tell of."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any, cast

import redis
from flask import Flask, current_app

from actionsight.event_buffer import EventBuffer, Memory
from actionsight.settings import Settings

logger = logging.getLogger(__name__)

_EXTENSION = "event_buffer"


class Status(Enum):
    """How the event buffer does."""

    OK = "ok"
    FULL = "full"
    UNAVAILABLE = "unavailable"
    NOT_CONFIGURED = "not_configured"


@dataclass(frozen=True)
class Waiting:
    """What waits to be drained.

    Attributes:
        event_count: webhooks; None unless `status` is OK or FULL.
        oldest_event_age_seconds: how long the first of them has waited; None when none does.
        memory: how full Redis is; None where it does not tell.
    """

    status: Status
    event_count: int | None = None
    oldest_event_age_seconds: float | None = None
    memory: Memory | None = None


def init_app(app: Flask, settings: Settings) -> None:
    """Give this application its event buffer, if there is a Redis.

    One client serves all threads. It connects when it is first used, and anew in a child of this
    process: a server may fork after loading.
    """
    app.extensions[_EXTENSION] = EventBuffer(settings.redis_url) if settings.redis_url else None


def current_buffer() -> EventBuffer | None:
    """The event buffer of the application that answers now; None: no Redis is configured."""
    extension: Any = current_app.extensions[_EXTENSION]
    return cast(EventBuffer | None, extension)


def read_waiting() -> Waiting:
    """What waits in the buffer of the application that answers now; never fails."""
    buffer = current_buffer()
    if buffer is None:
        return Waiting(Status.NOT_CONFIGURED)
    try:
        freshness = buffer.freshness()
    except redis.RedisError as error:
        logger.warning("the event buffer did not answer: %s", error)
        return Waiting(Status.UNAVAILABLE)
    age = None
    if freshness.oldest_received_at is not None:
        # By the clock of Redis, which may be a little ahead.
        age = max(0.0, (datetime.now(UTC) - freshness.oldest_received_at).total_seconds())
    memory = _read_memory(buffer)
    status = Status.FULL if memory is not None and memory.is_full else Status.OK
    return Waiting(status, freshness.event_count, age, memory)


def _read_memory(buffer: EventBuffer) -> Memory | None:
    try:
        return buffer.memory()
    except redis.RedisError:
        # Some servers do not tell.
        return None
