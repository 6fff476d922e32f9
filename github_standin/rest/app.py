"""The application: every route, and what errors become."""

from collections.abc import Callable
from typing import Any

from flask import Flask, Response
from werkzeug.routing import Map

from github_standin.responses import (
    ForbiddenError,
    InvalidBodyError,
    NotFoundError,
    error_response,
    json_response,
)
from github_standin.rest import actions, apps, hooks, oauth, owners, users
from github_standin.rest.access import UnauthorizedError
from github_standin.rest.queries import InvalidQueryError
from github_standin.rest.routing import MovedError, moved
from github_standin.webhooks.registry import HookRegistry
from github_standin.world.world import World


def create_app(world: World, registry: HookRegistry) -> Flask:
    """The application that answers for *world* and keeps the hooks of *registry*."""
    app = _Application("github_standin", static_folder=None)
    actions.add_routes(app, world)
    users.add_routes(app, world)
    apps.add_routes(app, world)
    owners.add_routes(app, world)
    hooks.add_routes(app, world, registry)
    oauth.add_routes(app, world.people)
    app.add_url_rule("/meta", "meta", _meta)
    for missing in (NotFoundError, 404, 405):
        app.register_error_handler(missing, lambda _: error_response(404, "Not Found"))
    app.register_error_handler(MovedError, moved)
    app.register_error_handler(UnauthorizedError, lambda e: error_response(401, str(e)))
    app.register_error_handler(ForbiddenError, lambda e: error_response(403, str(e)))
    app.register_error_handler(
        InvalidQueryError, lambda e: error_response(422, f"Validation Failed: {e}")
    )
    app.register_error_handler(
        InvalidBodyError, lambda e: error_response(422, f"Validation Failed: {e}")
    )
    app.keep_routes()
    return app


class _Application(Flask):
    """Flask that compiles its routes once a process: they are the same for every world, and take
    most of the time that a server needs to begin."""

    _routes: Map | None = None

    def add_url_rule(
        self,
        rule: str,
        endpoint: str | None = None,
        view_func: Callable[..., Any] | None = None,
        provide_automatic_options: bool | None = None,
        **options: Any,
    ) -> None:
        """Let a function answer; the route itself may be there already."""
        if self._routes is None:
            super().add_url_rule(rule, endpoint, view_func, provide_automatic_options, **options)
        elif view_func is not None:
            self.view_functions[endpoint or view_func.__name__] = view_func

    def keep_routes(self) -> None:
        """Take these routes for every other application."""
        if self._routes is None:
            type(self)._routes = self.url_map
        else:
            self.url_map = self._routes


def _meta() -> Response:
    """Where hooks come from: from this machine."""
    return json_response({"verifiable_password_authentication": False, "hooks": ["127.0.0.1/32"]})
