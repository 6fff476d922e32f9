"""Answers as GitHub words them, and the errors that become one."""

from typing import Any

import orjson
from flask import Response, request

from github_standin.rest.queries import Page, link_header

DOCUMENTATION = "https://docs.github.com/rest"


class NotFoundError(LookupError):
    """What was asked for does not exist, or not yet, or not for this one."""


class ForbiddenError(PermissionError):
    """It exists, but the credential may not (403)."""


class InvalidBodyError(ValueError):
    """The body says what GitHub refuses (422)."""


def json_response(body: Any, status: int = 200) -> Response:
    """A JSON answer as GitHub sends it."""
    return Response(orjson.dumps(body), status, content_type="application/json; charset=utf-8")


def no_content() -> Response:
    """A 204."""
    return Response(status=204)


def error_response(status: int, message: str, **fields: Any) -> Response:
    """An error body as GitHub sends it (schema `basic-error`)."""
    body = {"message": message, "documentation_url": DOCUMENTATION, "status": str(status)}
    return json_response(body | fields, status)


def api_url() -> str:
    """The address under which the stand-in was asked."""
    return request.host_url.rstrip("/")


def with_link(response: Response, url: str, page: Page, reachable: int) -> Response:
    """*response*, one page of a listing of *reachable* rows at *url*, with its `Link`."""
    link = link_header(url, request.args, page, reachable)
    if link is not None:
        response.headers["Link"] = link
    return response


def json_body() -> dict[str, Any]:
    """The object in the body of the request; empty where there is none. Raises
    `InvalidBodyError`."""
    if not request.get_data():
        return {}
    try:
        body = orjson.loads(request.get_data())
    except orjson.JSONDecodeError as broken:
        raise InvalidBodyError("Problems parsing JSON") from broken
    if not isinstance(body, dict):
        raise InvalidBodyError("Body should be a JSON object")
    return body
