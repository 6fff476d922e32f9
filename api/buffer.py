"""The event buffer of this process: what the receiver fills, and readiness tells of."""

from typing import Any, cast

from flask import Flask, current_app

from actionsight.event_buffer import EventBuffer
from actionsight.settings import Settings

_EXTENSION = "event_buffer"


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
