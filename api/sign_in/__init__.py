"""Sign-in with GitHub: POST /login, GitHub's way back, POST /logout, GET /me."""

from flask import Flask

from actionsight.settings import Settings
from api.auth.access import Access, register
from api.sign_in import configuration, session_views, views


def init_app(app: Flask, settings: Settings) -> None:
    """Let people sign in to this application, as far as the settings allow it."""
    blueprint = views.make_blueprint(settings)
    configuration.init_app(app, settings, blueprint)
    register(app, blueprint, Access.PUBLIC)
    register(app, session_views.blueprint, Access.SESSION)
