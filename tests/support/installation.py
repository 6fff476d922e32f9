"""An installation's settings, and its application until a context ends."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from flask import Flask

from actionsight.settings import Settings, load
from api import rate_limits
from api.app import create_app
from api.auth import permissions
from api.cache import backend as cache
from api.cache import flights


def settings_of(database_url: str, **given: Any) -> Settings:
    """What `given` says, and of all else what holds without a variable in the environment."""
    return replace(load(environ={}), database_url=database_url, **given)


@contextmanager
def application(settings: Settings) -> Generator[Flask]:
    """An application whose connections are closed after the context."""
    app = create_app(settings)
    yield app
    permissions.permissions_of(app).close()
    app.extensions["database"].close()
    app.extensions["oauth"].close()
    app.extensions["collector"].close()
    if buffer := app.extensions["event_buffer"]:
        buffer.close()
    flights.flights_of(app).close()
    for of_cache_server in (cache.store_of(app), rate_limits.counters_of(app)):
        if of_cache_server:
            of_cache_server.close()
