"""The disk of this process: by it the receiver refuses, and readiness and metrics tell of it."""

from typing import Any, cast

from flask import Flask

from actionsight.disk import Disk
from actionsight.settings import Settings

_EXTENSION = "disk"


def init_app(app: Flask, settings: Settings) -> None:
    """Let this application look at the disk of its installation; it does not yet."""
    app.extensions[_EXTENSION] = Disk(settings)


def disk_of(app: Flask) -> Disk:
    """The disk of an application."""
    extension: Any = app.extensions[_EXTENSION]
    return cast(Disk, extension)
