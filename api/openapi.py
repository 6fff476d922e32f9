"""GET /openapi.json: the OpenAPI 3.1 document, made from what the routes declare."""

import re
from http import HTTPStatus
from importlib.metadata import PackageNotFoundError, version
from inspect import cleandoc
from typing import Any

from flask import Blueprint, Flask, Response, current_app
from werkzeug.routing import Rule

from actionsight.settings import Settings
from api.auth.access import Access, access_of
from api.auth.cookies import Cookies
from api.auth.csrf import HEADER
from api.endpoints import Endpoint, endpoint
from api.errors import PROBLEM_JSON
from api.headers import CONDITIONAL, LIMITS, REQUEST, RETRY_AFTER, Headers
from api.parameters import Arguments, Parameter
from api.rate_limits import is_limited
from api.responses import json_response
from api.schemas import PROBLEM
from api.webhooks.signature import SIGNATURE_HEADER

blueprint = Blueprint("openapi", __name__)

_FAILURES = {
    HTTPStatus.BAD_REQUEST: "A parameter is unknown or unusable; `errors` names each.",
    HTTPStatus.UNAUTHORIZED: "No token and no session, or one that is unknown, expired or revoked.",
    HTTPStatus.FORBIDDEN: "The owner of the token has to sign in again.",
    HTTPStatus.NOT_FOUND: "It does not exist, or this viewer may not see it: the same answer.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is larger than 64 KiB.",
    HTTPStatus.TOO_MANY_REQUESTS: "The caller sends more than its limit allows.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "A fault inside; the log names it by `instance`.",
    HTTPStatus.SERVICE_UNAVAILABLE: "The database is away or too slow, or the statistics are not "
    "built.",
}
_IMPOSSIBLE: dict[Access | None, frozenset[HTTPStatus]] = {
    Access.PUBLIC: frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}),
    Access.SIGNED: frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}),
    Access.SESSION: frozenset({HTTPStatus.FORBIDDEN}),
}
_SECURITY: dict[Access | None, list[dict[str, list[str]]]] = {
    Access.PUBLIC: [],
    Access.OPTIONAL: [{}, {"token": []}, {"session": []}],
    Access.SIGNED: [{"signature": []}],
    Access.SESSION: [{"session": []}],
}
_SECURITY_SCHEMES = {
    "token": {"type": "http", "scheme": "bearer"},
    "signature": {
        "type": "apiKey",
        "in": "header",
        "name": SIGNATURE_HEADER,
        "description": "`sha256=` and the HMAC-SHA256 of the raw body under the webhook's secret, "
        "in hexadecimal digits.",
    },
}


@blueprint.get("/openapi.json")
@endpoint("This document.", answer={"type": "object"}, has_freshness=False)
def get_openapi(_: Arguments) -> Response:
    """OpenAPI 3.1."""
    return json_response(build(current_app))


def routes(app: Flask) -> list[tuple[Rule, Endpoint]]:
    """Every route of the application with its declaration, by path."""
    found = []
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        if not isinstance(view, Endpoint):
            raise TypeError(f"{rule.rule}: its view declares nothing; use api.endpoints.endpoint")
        found.append((rule, view))
    return sorted(found, key=lambda pair: pair[0].rule)


def path_of(rule: Rule) -> str:
    """A route's path as OpenAPI writes it."""
    return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)


def build(app: Flask) -> dict[str, Any]:
    """The document of this application."""
    paths: dict[str, dict[str, Any]] = {}
    for rule, view in routes(app):
        access = access_of(app, rule.endpoint.rpartition(".")[0])
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            paths.setdefault(path_of(rule), {})[method.lower()] = _operation(rule, view, access)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Actionsight",
            "summary": "Statistics of GitHub Actions.",
            "version": _version(),
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": paths,
        "components": {
            "schemas": {"Problem": PROBLEM},
            "securitySchemes": {**_SECURITY_SCHEMES, "session": _session_scheme(app)},
        },
    }


def _session_scheme(app: Flask) -> dict[str, str]:
    settings: Settings = app.extensions["settings"]
    return {
        "type": "apiKey",
        "in": "cookie",
        "name": Cookies.of(settings).session,
        "description": "What a sign-in gives to browsers. Whatever changes something also needs "
        f"the header {HEADER}.",
    }


def _operation(rule: Rule, view: Endpoint, access: Access | None) -> dict[str, Any]:
    limits = LIMITS if is_limited(rule.rule) else {}
    failures = {
        status: meaning
        for status, meaning in _FAILURES.items()
        if status not in _IMPOSSIBLE.get(access, ())
        and (limits or status is not HTTPStatus.TOO_MANY_REQUESTS)
    }
    failures.update(view.failures)
    success = {**(CONDITIONAL if view.has_freshness else {}), **limits, **REQUEST}
    content = {view.media_type: {"schema": view.answer}} if view.answer is not None else {}
    successes = {
        str(status.value): {
            "description": "The answer.",
            "headers": success,
            "content": {} if status is HTTPStatus.NO_CONTENT else content,
        }
        for status in (view.status, view.other_status)
        if status
    }
    responses = {
        **successes,
        **{
            str(status.value): _failure(status, meaning, limits)
            for status, meaning in sorted(failures.items())
        },
    }
    if view.has_freshness:
        responses[str(HTTPStatus.NOT_MODIFIED.value)] = {
            "description": "The body that `If-None-Match` names is still the answer.",
            "headers": success,
            "content": {},
        }
    operation: dict[str, Any] = {
        "operationId": view.__name__,
        "summary": view.summary,
        "description": cleandoc(view.description),
        "security": _SECURITY.get(access, [{"token": []}, {"session": []}]),
        "parameters": [_parameter(parameter) for parameter in view.parameters],
        "responses": responses,
    }
    if view.body:
        operation["requestBody"] = {
            "required": True,
            "content": {media_type: {"schema": schema} for media_type, schema in view.body.items()},
        }
    return operation


def _failure(status: HTTPStatus, meaning: str, limits: Headers) -> dict[str, Any]:
    waiting = RETRY_AFTER if status is HTTPStatus.TOO_MANY_REQUESTS else {}
    return {
        "description": meaning,
        "headers": {**limits, **waiting, **REQUEST},
        "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }


def _parameter(parameter: Parameter) -> dict[str, Any]:
    schema: Any = parameter.schema
    if parameter.many:
        schema = {"type": "array", "items": schema}
    declared = {
        "name": parameter.name,
        "in": parameter.place,
        "description": parameter.description,
        "required": parameter.place != "query",
        "schema": schema,
    }
    if parameter.place == "query":
        declared.update(style="form", explode=True)
    return declared


def _version() -> str:
    try:
        return version("actionsight")
    except PackageNotFoundError:
        return "0"
