"""What stands between browsers and this API: proxies, host names, pages of other origins."""

import re
from collections.abc import Iterable
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flask import Flask, Response, current_app, request
from flask_cors import CORS
from werkzeug.exceptions import SecurityError
from werkzeug.middleware.proxy_fix import ProxyFix

from actionsight.settings import Settings
from api import request_ids
from api.auth import csrf
from api.auth.origins import frontends
from api.current import current_settings
from api.errors import Kind, problem_response
from api.responses import AS_OF_HEADER, NEWEST_OBSERVATION_HEADER

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

LOOPBACK_HOSTS = ("127.0.0.1", "localhost")
PREFLIGHT_LASTS = timedelta(minutes=10)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
SENT_HEADERS = ("Authorization", "Content-Type", "If-None-Match", csrf.HEADER, request_ids.HEADER)
READ_HEADERS = (
    AS_OF_HEADER,
    NEWEST_OBSERVATION_HEADER,
    "Content-Disposition",
    "ETag",
    "Link",
    "Location",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    request_ids.HEADER,
)


def init_app(app: Flask, settings: Settings) -> None:
    """Let this application be reached under its own names, and by frontends of the settings.

    To be called before anything else that looks at requests: a preflight carries no credentials.
    """
    public_host = urlsplit(settings.public_root).hostname
    app.config["TRUSTED_HOSTS"] = [*LOOPBACK_HOSTS, *([public_host] if public_host else [])]
    app.register_error_handler(SecurityError, _unknown_host)
    # Flask's documented way to stand before an application.
    app.wsgi_app = _LowerHost(app.wsgi_app)  # pyrefly: ignore[method-assign]
    if count := settings.proxy_count:
        # What each proxy adds is counted from the right: the rest may be a client's invention.
        app.wsgi_app = ProxyFix(  # pyrefly: ignore[method-assign]
            app.wsgi_app, x_for=count, x_proto=count, x_host=count, x_port=0, x_prefix=0
        )
    if settings.frontend_origins:
        app.before_request(_answer_preflight)
        app.after_request(_add_vary)
        CORS(
            app,
            # Patterns, so that no character of an origin means anything but itself.
            origins=[re.compile(re.escape(origin) + r"\Z") for origin in frontends(settings)],
            methods=list(METHODS),
            allow_headers=list(SENT_HEADERS),
            expose_headers=list(READ_HEADERS),
            supports_credentials=True,
            max_age=PREFLIGHT_LASTS,
            always_send=False,
            vary_header=False,
            intercept_exceptions=False,
        )


class _LowerHost:
    """Before an application: Werkzeug tells hosts apart by case, which no host is. Who delivers
    webhooks may write the name as the settings do."""

    def __init__(self, application: "WSGIApplication") -> None:
        self._application = application

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        if host := environ.get("HTTP_HOST"):
            environ["HTTP_HOST"] = host.lower()
        return self._application(environ, start_response)


def _unknown_host(_: SecurityError) -> Response:
    return problem_response(
        HTTPStatus.BAD_REQUEST,
        "This API answers under the host of ACTIONSIGHT_PUBLIC_URL, 127.0.0.1 and localhost alone.",
        kind=Kind.HOST,
    )


def _answer_preflight() -> Response | None:
    is_preflight = (
        request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
    )
    if is_preflight and request.headers.get("Origin") in frontends(current_settings()):
        return current_app.make_default_options_response()
    return None


def _add_vary(response: Response) -> Response:
    # Also where no origin was sent: a copy of that answer must not serve one.
    response.vary.add("Origin")
    return response
