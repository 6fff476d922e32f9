"""The receiver as an application of its own."""

from flask import Flask

from actionsight.settings import Settings
from api import bodies, current, disk, errors, event_buffer, hosts_and_cors, request_ids
from api.application import Application, add_headers
from api.health import views as health
from api.prometheus import counters
from api.webhooks import views as webhooks


def create_receiver(settings: Settings) -> Flask:
    """Make the application that takes webhooks and does nothing else: no database, no cache server
    and nobody's request stands between GitHub and the event buffer. It reads no environment and
    opens no connection yet.
    """
    app = Application(__name__, static_folder=None)
    request_ids.init_app(app)
    app.after_request(add_headers)
    counters.init_app(app)
    current.init_app(app, settings)
    bodies.init_app(app, bodies.OF_RECEIVER)
    hosts_and_cors.init_app(app, settings)
    event_buffer.init_app(app, settings)
    disk.init_app(app, settings)
    errors.init_app(app)
    webhooks.init_app(app, settings)
    app.register_blueprint(health.blueprint)
    app.register_blueprint(webhooks.blueprint)
    return app
