"""GET /openapi.json: the OpenAPI 3.1 document, made from what the routes declare."""

import re
from importlib.metadata import PackageNotFoundError, version
from inspect import cleandoc
from typing import Any

from flask import Blueprint, Flask, Response, current_app
from werkzeug.routing import Rule

from api.answers import AS_OF_HEADER, UNKNOWN, json_response
from api.auth.access import Access, access_of
from api.endpoints import Endpoint, endpoint
from api.errors import PROBLEM_JSON
from api.parameters import Arguments, Parameter
from api.schemas import PROBLEM, TIME

blueprint = Blueprint("openapi", __name__)

_AS_OF = {
    AS_OF_HEADER: {
        "description": "Up to when the numbers can be trusted: the earliest over the repositories "
        "of the answer.",
        "schema": {"anyOf": [TIME, {"const": UNKNOWN}]},
    }
}
_FAILURES = {
    "400": "A parameter is unknown or unusable; `errors` names each.",
    "401": "No token, or one that is unknown, expired or revoked.",
    "404": "It does not exist, or this viewer may not see it: the same answer.",
    "500": "A fault inside; the log names it by `instance`.",
    "503": "The database is away or too slow, or the statistics are not built.",
}


@blueprint.get("/openapi.json")
@endpoint("This document.", answer={"type": "object"}, has_as_of=False)
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
            operation = _operation(view, is_public=access is Access.PUBLIC)
            paths.setdefault(path_of(rule), {})[method.lower()] = operation
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
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(view: Endpoint, *, is_public: bool) -> dict[str, Any]:
    failures = dict(_FAILURES)
    if is_public:
        del failures["401"]
    return {
        "operationId": view.__name__,
        "summary": view.summary,
        "description": cleandoc(view.description),
        "security": [] if is_public else [{"token": []}],
        "parameters": [_parameter(parameter) for parameter in view.parameters],
        "responses": {
            "200": {
                "description": "The answer.",
                "headers": _AS_OF if view.has_as_of else {},
                "content": {"application/json": {"schema": view.answer}},
            },
            **{
                status: {
                    "description": description,
                    "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}},
                }
                for status, description in failures.items()
            },
        },
    }


def _parameter(parameter: Parameter) -> dict[str, Any]:
    schema: Any = parameter.schema
    if parameter.many:
        schema = {"type": "array", "items": schema}
    declared = {
        "name": parameter.name,
        "in": "path" if parameter.in_path else "query",
        "description": parameter.description,
        "required": parameter.in_path,
        "schema": schema,
    }
    if not parameter.in_path:
        declared.update(style="form", explode=True)
    return declared


def _version() -> str:
    try:
        return version("actionsight")
    except PackageNotFoundError:
        return "0"
