"""The settings of the installation that this application answers for."""

from typing import Any, cast

from flask import Flask, current_app

from actionsight.settings import Settings

_EXTENSION = "settings"


def init_app(app: Flask, settings: Settings) -> None:
    """Give this application its settings."""
    app.extensions[_EXTENSION] = settings


def current_settings() -> Settings:
    """The settings of the application that answers now."""
    extension: Any = current_app.extensions[_EXTENSION]
    return cast(Settings, extension)
