"""The application: every route, and what errors become."""

from functools import cache

from flask import Flask, Response

from github_standin.responses import (
    ForbiddenError,
    InvalidBodyError,
    NotFoundError,
    error_response,
    json_response,
)
from github_standin.rest import actions, apps, hooks, oauth, repositories, users
from github_standin.rest.access import UnauthorizedError
from github_standin.rest.queries import InvalidQueryError
from github_standin.rest.routing import MovedError, redirect_moved
from github_standin.world.hooks import InvalidHookError


@cache
def create_app() -> Flask:
    """The application, made once a process: it answers for every world, and compiling its routes
    takes most of the time that a server needs to begin."""
    app = Flask("github_standin", static_folder=None)
    for module in (actions, apps, hooks, oauth, repositories, users):
        app.register_blueprint(module.routes)
    app.add_url_rule("/meta", "meta", _meta)
    for missing in (NotFoundError, 404, 405):
        app.register_error_handler(missing, lambda _: error_response(404, "Not Found"))
    app.register_error_handler(MovedError, redirect_moved)
    app.register_error_handler(UnauthorizedError, lambda e: error_response(401, str(e)))
    app.register_error_handler(ForbiddenError, lambda e: error_response(403, str(e)))
    for invalid in (InvalidQueryError, InvalidBodyError, InvalidHookError):
        app.register_error_handler(invalid, _unprocessable)
    return app


def _unprocessable(reason: Exception) -> Response:
    return error_response(422, f"Validation Failed: {reason}")


def _meta() -> Response:
    """Where hooks come from: from this machine."""
    return json_response({"verifiable_password_authentication": False, "hooks": ["127.0.0.1/32"]})
