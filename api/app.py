"""The application factory."""

from flask import Flask

from actionsight.settings import Settings
from api import (
    bodies,
    collector,
    current,
    disk,
    errors,
    event_buffer,
    github,
    hosts_and_cors,
    openapi,
    rate_limits,
    request_ids,
    seals,
    sign_in,
)
from api.account import views as account
from api.application import Application, add_headers
from api.auth import access
from api.auth.access import Access, register
from api.branches import views as branches
from api.cache import backend as cache
from api.cache import flights
from api.changes import views as changes
from api.costs import views as costs
from api.dashboard import views as dashboard
from api.database import Database
from api.docs import views as docs
from api.flaky_jobs import views as flaky_jobs
from api.health import views as health
from api.home import views as home
from api.installation import views as installation
from api.jobs import views as jobs
from api.parameters import IdConverter
from api.prometheus import counters
from api.prometheus import views as metrics
from api.repositories import purges, selections
from api.repositories import views as repositories
from api.responses import CSV_SUFFIX
from api.runners import views as runners
from api.runs import views as runs
from api.search import views as search
from api.stats import views as stats
from api.webhooks import views as webhooks
from api.workflows import views as workflows


def create_app(settings: Settings) -> Flask:
    """Make the application; it reads no environment and opens no connection yet.

    Raises:
        ValueError: no database is configured.
    """
    if settings.database_url is None:
        raise ValueError(
            "ACTIONSIGHT_DATABASE_URL is not set: the API needs a database "
            "(`make up` starts the embedded one and hands its address on)"
        )
    app = Application(__name__, static_folder=None)
    app.url_map.converters["id"] = IdConverter
    app.extensions["database"] = Database(
        settings.database_url, settings.read_database_url or settings.database_url
    )
    request_ids.init_app(app)
    app.after_request(add_headers)
    counters.init_app(app)
    current.init_app(app, settings)
    bodies.init_app(app, bodies.OF_API)
    hosts_and_cors.init_app(app, settings)
    event_buffer.init_app(app, settings)
    disk.init_app(app, settings)
    seals.init_app(app, settings)
    cache.init_app(app, settings)
    flights.init_app(app, settings)
    errors.init_app(app)
    github.init_app(app, settings)
    collector.init_app(app, settings)
    access.init_app(app)
    # What costs more comes later: a count of the address, then who asks, their own count, and then
    # what they may see, for which GitHub may be asked.
    app.before_request(rate_limits.count_early)
    app.before_request(flights.refuse_early)
    app.before_request(access.authenticate)
    app.before_request(rate_limits.count_principal)
    rate_limits.init_app(app, settings)
    app.before_request(access.authorize)
    webhooks.init_app(app, settings)
    health.init_app(app)
    register(app, health.blueprint, Access.PUBLIC)
    register(app, health.readiness, Access.PUBLIC)
    register(app, metrics.blueprint, Access.OPTIONAL)
    register(app, openapi.blueprint, Access.PUBLIC)
    register(app, docs.blueprint, Access.PUBLIC)
    register(app, installation.public, Access.PUBLIC)
    register(app, home.blueprint, Access.PUBLIC)
    register(app, dashboard.blueprint, Access.PUBLIC)
    register(app, webhooks.blueprint, Access.SIGNED)
    register(app, stats.blueprint, Access.AUTHENTICATED)
    register(app, workflows.blueprint, Access.AUTHENTICATED)
    register(app, branches.blueprint, Access.AUTHENTICATED)
    register(app, flaky_jobs.blueprint, Access.AUTHENTICATED)
    register(app, costs.blueprint, Access.AUTHENTICATED)
    register(app, runners.blueprint, Access.AUTHENTICATED)
    register(app, changes.blueprint, Access.AUTHENTICATED)
    register(app, runs.blueprint, Access.AUTHENTICATED)
    register(app, jobs.blueprint, Access.AUTHENTICATED)
    register(app, repositories.blueprint, Access.AUTHENTICATED)
    register(app, purges.blueprint, Access.AUTHENTICATED)
    register(app, selections.blueprint, Access.AUTHENTICATED)
    register(app, account.blueprint, Access.AUTHENTICATED)
    register(app, installation.blueprint, Access.AUTHENTICATED)
    register(app, search.blueprint, Access.AUTHENTICATED)
    sign_in.init_app(app, settings)
    _add_csv(app)
    return app


def _add_csv(app: Flask) -> None:
    """Give every list its second address, which ends in `.csv`."""
    for rule, view in openapi.routes(app):
        if view.declared.is_list:
            app.add_url_rule(rule.rule + CSV_SUFFIX, endpoint=rule.endpoint, methods=["GET"])
