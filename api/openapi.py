"""GET /openapi.json: the OpenAPI 3.1 document, made from what the routes declare."""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from http import HTTPStatus
from importlib.metadata import PackageNotFoundError, version
from inspect import cleandoc, isclass
from pathlib import Path
from typing import Any

import orjson
from flask import Blueprint, Flask, Response, current_app
from pydantic import BaseModel
from werkzeug.routing import Rule

from actionsight.settings import Settings
from api.auth.access import Access, access_of
from api.auth.cookies import Cookies
from api.auth.csrf import HEADER
from api.endpoints import Described, Endpoint, endpoint
from api.errors import PROBLEM_JSON
from api.headers import CONDITIONAL, LIMITS, NEXT_PAGE, REQUEST, RETRY_AFTER, Headers
from api.parameters import ID_SCHEMA, Parameters
from api.rate_limits import is_limited
from api.records import REF_TEMPLATE, Problem, Schemas, components, reference
from api.responses import CSV, CSV_SUFFIX, json_response
from api.webhooks.signature import SIGNATURE_HEADER

blueprint = Blueprint("openapi", __name__)

_EXTENSION = "openapi"

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
# Not of a 503 because of a setting that is missing.
_TO_BE_TRIED_AGAIN = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
_NOT_ACCEPTABLE = "`Accept` names no form that the route has: JSON, and CSV of a list."
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
# Where a session may write, it has to prove that a page of its own asks.
_CSRF = {
    "name": HEADER,
    "in": "header",
    "description": "The `csrf_token` of `GET /me`: needed beside a session's cookie, not beside a "
    "token.",
    "required": False,
    "schema": {"type": "string"},
}
_TAGS = {
    "statistics": "Counts, rates, sums and percentiles.",
    "workflows": "Workflows, their jobs and steps.",
    "runs": "Runs, attempts and jobs.",
    "health": "Since when a branch is red, and how it recovers.",
    "flakiness": "Jobs that fail and pass without a change.",
    "runners": "What waits for which runner, and what runs there.",
    "costs": "Minutes and money.",
    "repositories": "What is monitored, and how its collection does.",
    "account": "Who is signed in: sessions and tokens.",
    "installation": "This installation, and how it does.",
}


@blueprint.get("/openapi.json")
@endpoint(
    "This document.",
    tag="installation",
    answer={"type": "object", "additionalProperties": True},
    has_freshness=False,
)
def get_openapi() -> Response:
    """OpenAPI 3.1."""
    # The same as long as the process lives, and a quarter of a second of work.
    if _EXTENSION not in current_app.extensions:
        current_app.extensions[_EXTENSION] = build(current_app)
    return json_response(current_app.extensions[_EXTENSION])


def routes(app: Flask) -> list[tuple[Rule, Endpoint]]:
    """Every route of the application with its declaration, by path; the other form of a list, which
    ends in `.csv`, is no route of its own."""
    found = []
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        if not isinstance(view, Endpoint):
            raise TypeError(f"{rule.rule}: its view declares nothing; use api.endpoints.endpoint")
        if not rule.rule.endswith(CSV_SUFFIX):
            found.append((rule, view))
    return sorted(found, key=lambda pair: pair[0].rule)


def path_of(rule: Rule) -> str:
    """A route's path as OpenAPI writes it."""
    return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)


def build(app: Flask) -> dict[str, Any]:
    """The document of this application."""
    declared = routes(app)
    paths: dict[str, dict[str, Any]] = {}
    for rule, view in declared:
        access = access_of(app, rule.endpoint.rpartition(".")[0])
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            operation = _operation(rule, view, access, is_write=method != "GET")
            paths.setdefault(path_of(rule), {})[method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Actionsight",
            "summary": "Statistics of GitHub Actions.",
            "description": "Answers may gain members at any time. What goes away is announced by "
            "the headers `Deprecation` and `Sunset` for one release.",
            "version": _version(),
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": _settings(app).public_root, "description": "This installation."}],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": components(_models(view for _, view in declared)),
            "securitySchemes": {**_SECURITY_SCHEMES, "session": _session_scheme(app)},
        },
    }


def _models(views: Iterable[Endpoint]) -> list[type[BaseModel]]:
    """What the routes answer and read, each once, by name."""
    described = [
        each for view in views for each in (view.declared.answer, *view.declared.body.values())
    ]
    models = {each for each in described if isclass(each)} | {Problem}
    return sorted(models, key=lambda model: model.__name__)


def _settings(app: Flask) -> Settings:
    settings: Settings = app.extensions["settings"]
    return settings


def _session_scheme(app: Flask) -> dict[str, str]:
    return {
        "type": "apiKey",
        "in": "cookie",
        "name": Cookies.of(_settings(app)).session,
        "description": "What a sign-in gives to browsers. Whatever changes something also needs "
        f"the header {HEADER}.",
    }


def _operation(
    rule: Rule, view: Endpoint, access: Access | None, *, is_write: bool
) -> dict[str, Any]:
    declared = view.declared
    limits = LIMITS if is_limited(rule.rule) else {}
    failures = {
        status: meaning
        for status, meaning in _FAILURES.items()
        if status not in _IMPOSSIBLE.get(access, ())
        and (limits or status is not HTTPStatus.TOO_MANY_REQUESTS)
    }
    if declared.is_negotiated:
        failures[HTTPStatus.NOT_ACCEPTABLE] = _NOT_ACCEPTABLE
    failures.update(declared.failures)
    success = {
        **(CONDITIONAL if declared.has_freshness else {}),
        **(NEXT_PAGE if declared.is_list else {}),
        **limits,
        **REQUEST,
    }
    successes = {
        str(status.value): {
            "description": declared.summary if status is declared.status else "The same.",
            "headers": success,
            "content": {} if status is HTTPStatus.NO_CONTENT else _content(view),
        }
        for status in (declared.status, declared.other_status)
        if status
    }
    responses = {
        **successes,
        **{
            str(status.value): _failure(status, meaning, limits)
            for status, meaning in sorted(failures.items())
        },
    }
    if declared.has_freshness:
        responses[str(HTTPStatus.NOT_MODIFIED.value)] = {
            "description": "The body that `If-None-Match` names is still the answer.",
            "headers": success,
            "content": {},
        }
    needs_csrf = is_write and access in (Access.AUTHENTICATED, Access.SESSION)
    operation: dict[str, Any] = {
        "operationId": view.__name__,
        "summary": declared.summary,
        "description": cleandoc(view.description),
        "tags": [declared.tag],
        "security": _SECURITY.get(access, [{"token": []}, {"session": []}]),
        "parameters": [
            *_path_parameters(rule),
            *_parameters(declared.query, "query"),
            *_parameters(declared.headers, "header"),
            *([_CSRF] if needs_csrf else []),
        ],
        "responses": responses,
    }
    if declared.body:
        operation["requestBody"] = {
            "required": not declared.is_body_optional,
            "content": {
                media_type: {"schema": _schema(body)} for media_type, body in declared.body.items()
            },
        }
    return operation


def _content(view: Endpoint) -> dict[str, Any]:
    declared = view.declared
    if declared.answer is None:
        return {}
    content: dict[str, Any] = {declared.media_type: {"schema": _schema(declared.answer)}}
    if (example := examples().get(view.__name__)) is not None:
        content[declared.media_type]["example"] = example["answer"]
    if declared.is_list:
        content[CSV] = {"schema": {"type": "string"}}
    return content


@cache
def examples() -> Mapping[str, Mapping[str, Any]]:
    """An answer for each operation by its id, with numbers of recorded histories, and the `path` by
    which the demonstration gives it (`python -m api.documentation examples`)."""
    found: Mapping[str, Mapping[str, Any]] = orjson.loads(
        (Path(__file__).parent / "examples.json").read_bytes()
    )
    return found


def _schema(described: Described) -> Mapping[str, Any]:
    return described if isinstance(described, Mapping) else reference(described)


def _failure(status: HTTPStatus, meaning: str, limits: Headers) -> dict[str, Any]:
    waiting = RETRY_AFTER if status in _TO_BE_TRIED_AGAIN else {}
    return {
        "description": meaning,
        "headers": {**limits, **waiting, **REQUEST},
        "content": {PROBLEM_JSON: {"schema": reference(Problem)}},
    }


def _path_parameters(rule: Rule) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "description": "As lists name it.",
            "required": True,
            "schema": ID_SCHEMA if converter == "id" else {"type": "string"},
        }
        for converter, name in re.findall(r"<(?:(\w+):)?(\w+)>", rule.rule)
    ]


def _parameters(model: type[Parameters] | None, place: str) -> list[dict[str, Any]]:
    if model is None:
        return []
    schema = model.model_json_schema(schema_generator=Schemas, ref_template=REF_TEMPLATE)
    required = schema.get("required", [])
    return [
        _parameter(name, member, place, is_required=name in required)
        for name, member in schema.get("properties", {}).items()
    ]


def _parameter(
    name: str, member: dict[str, Any], place: str, *, is_required: bool
) -> dict[str, Any]:
    described = {key: value for key, value in member.items() if key not in ("title", "description")}
    if described.get("default", ...) in (None, [], ()):
        del described["default"]
    declared = {
        "name": name,
        "in": place,
        "description": member.get("description", ""),
        "required": is_required,
        "schema": _without_null(described),
    }
    if place == "query":
        declared.update(style="form", explode=True)
    return declared


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter that is left out is no null."""
    types = schema.get("type")
    if isinstance(types, list):
        return {**schema, "type": next(each for each in types if each != "null")}
    alternatives = [each for each in schema.get("anyOf", []) if each != {"type": "null"}]
    if len(alternatives) == 1:
        rest = {name: value for name, value in schema.items() if name != "anyOf"}
        return {**alternatives[0], **rest}
    return {**schema, "anyOf": alternatives} if alternatives else schema


def _version() -> str:
    try:
        return version("actionsight")
    except PackageNotFoundError:
        return "0"
