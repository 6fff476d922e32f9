"""Responses as GitHub words them, one page of a listing, and the errors that become a response."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlencode

import orjson
from flask import Response, request

DOCUMENTATION = "https://docs.github.com/rest"

Row = TypeVar("Row")


class NotFoundError(LookupError):
    """What was asked for does not exist, or not yet, or not for this one."""


class ForbiddenError(PermissionError):
    """It exists, but the credential may not (403)."""


class InvalidBodyError(ValueError):
    """The body says what GitHub refuses (422)."""


@dataclass(frozen=True)
class Page:
    """One page of a listing: 1-based *number*, at most *size* rows."""

    number: int
    size: int

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Page":
        """From `page` and `per_page`; what makes no sense falls back to the default, above 100 is
        100."""
        return cls(_positive(query.get("page"), 1), min(_positive(query.get("per_page"), 30), 100))

    def cut(self, rows: Sequence[Row]) -> Sequence[Row]:
        """The rows of this page."""
        return rows[(self.number - 1) * self.size : self.number * self.size]


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


def page_response(body: Any, url: str, page: Page, reachable: int) -> Response:
    """One page of a listing of *reachable* rows at the absolute *url*, with its `Link`."""
    response = json_response(body)
    link = _link_header(url, request.args, page, reachable)
    if link is not None:
        response.headers["Link"] = link
    return response


def _link_header(url: str, query: Mapping[str, str], page: Page, reachable: int) -> str | None:
    """The `Link` header of a listing of *reachable* rows at the absolute *url*; None on a single
    page."""
    last = max(1, -(-reachable // page.size))
    targets: dict[str, int] = {}
    if page.number > 1:
        targets["prev"] = min(page.number - 1, last)
    if page.number < last:
        targets["next"] = page.number + 1
        targets["last"] = last
    if page.number > 1:
        targets["first"] = 1
    if last == 1 and page.number == 1:
        return None
    return ", ".join(
        f'<{url}?{urlencode({**query, "page": number}, safe=":.,*<>=")}>; rel="{name}"'
        for name, number in targets.items()
    )


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


def _positive(text: str | None, default: int) -> int:
    return int(text) if text and text.isdecimal() and int(text) > 0 else default
