"""The one shape of every failure: problem details (RFC 9457).

What went wrong inside stays in the log; the answer to a fault names the occurrence, by which the
log can be searched.
"""

import logging
import uuid
from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import wraps
from http import HTTPStatus
from typing import Any, TypeVar

import psycopg
from flask import Flask, Response, current_app, has_request_context, request
from werkzeug.exceptions import HTTPException

from api.database import NotBuiltError, current_database
from api.responses import json_response

PROBLEM_JSON = "application/problem+json"
RETRY_SECONDS = "5"
MOST_ERRORS = 20
LONGEST_SHOWN = 80

logger = logging.getLogger(__name__)

E = TypeVar("E", bound=Exception)


class Kind(StrEnum):
    """Kinds of problems, by which a client tells them apart: the last part of `type`, and an anchor
    of docs/api.md. They stay as they are."""

    INVALID_REQUEST = "invalid-request"
    UNKNOWN_PARAMETER = "unknown-parameter"
    INVALID_PARAMETER = "invalid-parameter"
    HOST = "host"
    SIGN_IN = "sign-in"
    SIGN_IN_AGAIN = "sign-in-again"
    CSRF = "csrf"
    FORBIDDEN = "forbidden"
    NOT_VISIBLE = "not-visible"
    NO_SUCH_ROUTE = "no-such-route"
    METHOD = "method"
    NOT_ACCEPTABLE = "not-acceptable"
    CONFLICT = "conflict"
    LENGTH_REQUIRED = "length-required"
    TOO_LARGE = "too-large"
    MEDIA_TYPE = "media-type"
    TOO_MANY_REQUESTS = "too-many-requests"
    TOO_EXPENSIVE = "too-expensive"
    FAULT = "fault"
    NOT_BUILT = "not-built"
    TOO_SLOW = "too-slow"
    DATABASE_AWAY = "database-away"
    GITHUB_AWAY = "github-away"
    UNAVAILABLE = "unavailable"

    @property
    def type(self) -> str:
        """As answers have it."""
        return f"/problems/{self.value}"


# What a status means where nothing more is said.
_KINDS = {
    HTTPStatus.BAD_REQUEST: Kind.INVALID_REQUEST,
    HTTPStatus.UNAUTHORIZED: Kind.SIGN_IN,
    HTTPStatus.FORBIDDEN: Kind.FORBIDDEN,
    HTTPStatus.NOT_FOUND: Kind.NOT_VISIBLE,
    HTTPStatus.METHOD_NOT_ALLOWED: Kind.METHOD,
    HTTPStatus.NOT_ACCEPTABLE: Kind.NOT_ACCEPTABLE,
    HTTPStatus.CONFLICT: Kind.CONFLICT,
    HTTPStatus.LENGTH_REQUIRED: Kind.LENGTH_REQUIRED,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: Kind.TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: Kind.MEDIA_TYPE,
    HTTPStatus.TOO_MANY_REQUESTS: Kind.TOO_MANY_REQUESTS,
    HTTPStatus.INTERNAL_SERVER_ERROR: Kind.FAULT,
    HTTPStatus.SERVICE_UNAVAILABLE: Kind.UNAVAILABLE,
}


class Problem(Exception):  # noqa: N818 RFC 9457 calls it a problem
    """A failure whose detail a client may read; `members` are added to the answer."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        *,
        kind: Kind | None = None,
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.kind = kind
        self.headers = headers or {}
        self.members = members


def parameter_error(name: str, detail: str, kind: Kind = Kind.INVALID_PARAMETER) -> dict[str, str]:
    """What is wrong with one parameter, as an answer has it."""
    return {"parameter": text_for_answer(name), "detail": detail, "type": kind.type}


def bad_request(detail: str, errors: list[dict[str, str]]) -> Problem:
    """A 400 that names each unusable parameter (`parameter_error`), up to a number: an answer must
    not be much larger than what was sent."""
    is_unknown = any(error["type"] == Kind.UNKNOWN_PARAMETER.type for error in errors)
    kind = Kind.UNKNOWN_PARAMETER if is_unknown else Kind.INVALID_PARAMETER
    return Problem(HTTPStatus.BAD_REQUEST, detail, kind=kind, errors=errors[:MOST_ERRORS])


def bad_query(parameter: str, detail: str) -> Problem:
    """A 400 for one parameter of a query string."""
    errors = [parameter_error(parameter, detail)]
    return bad_request("The query string cannot be used; see errors.", errors)


def not_found(what: str) -> Problem:
    """The same answer for what does not exist and for what this viewer may not see."""
    return Problem(HTTPStatus.NOT_FOUND, f"{what} is not monitored, or you may not see it.")


def text_for_answer(value: str) -> str:
    """A client's own text, cut so that an error stays short."""
    return value if len(value) <= LONGEST_SHOWN else value[: LONGEST_SHOWN - 1] + "…"


def problem_response(
    status: HTTPStatus,
    detail: str,
    headers: Mapping[str, str] | None = None,
    members: Mapping[str, Any] | None = None,
    kind: Kind | None = None,
) -> Response:
    """The response in the one shape."""
    body = {
        "type": (kind or _KINDS.get(status, Kind.INVALID_REQUEST)).type,
        "title": status.phrase,
        "status": status.value,
        "detail": detail,
        **(members or {}),
    }
    response = json_response(body, status.value, PROBLEM_JSON)
    response.headers.update(headers or {})
    return response


def init_app(app: Flask) -> None:
    """Let every failure of this application answer in the one shape."""
    app.register_error_handler(Problem, _problem)
    app.register_error_handler(HTTPException, _http_exception)
    app.register_error_handler(psycopg.errors.QueryCanceled, _too_slow)
    app.register_error_handler(NotBuiltError, _at_primary(_not_built))
    app.register_error_handler(psycopg.errors.UndefinedTable, _at_primary(_not_built))
    app.register_error_handler(psycopg.errors.InvalidSchemaName, _at_primary(_not_built))
    app.register_error_handler(psycopg.errors.UndefinedColumn, _at_primary(_not_built))
    app.register_error_handler(psycopg.OperationalError, _at_primary(_database_away))
    app.register_error_handler(Exception, _fault)


def _problem(problem: Problem) -> Response:
    return problem_response(
        problem.status, problem.detail, problem.headers, problem.members, problem.kind
    )


def _http_exception(error: HTTPException) -> Response:
    response = error.get_response()
    if error.code is None or error.code < HTTPStatus.BAD_REQUEST:
        return Response(response.get_data(), response.status_code, response.headers)
    kept = {name: value for name, value in response.headers if name in ("Allow", "Retry-After")}
    detail = _DETAILS.get(error.code) or error.description or ""
    kind = Kind.NO_SUCH_ROUTE if error.code == HTTPStatus.NOT_FOUND else None
    return problem_response(HTTPStatus(error.code), detail, kept, kind=kind)


_DETAILS = {
    HTTPStatus.NOT_FOUND.value: "There is no such route; GET /openapi.json lists them.",
    HTTPStatus.METHOD_NOT_ALLOWED.value: "This route does not know that method; see Allow.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE.value: "The body is larger than any that is taken here.",
}


def _unavailable(kind: Kind, detail: str) -> Response:
    waiting = {"Retry-After": RETRY_SECONDS}
    return problem_response(HTTPStatus.SERVICE_UNAVAILABLE, detail, waiting, kind=kind)


def _at_primary(answer: Callable[[E], Response]) -> Callable[[E], Response]:
    """`answer` to an error, unless the read replica is what failed: then the request is answered
    again, by the primary server."""

    @wraps(answer)
    def handler(error: E) -> Response:
        is_repeatable = has_request_context() and request.method in ("GET", "HEAD")
        if not (is_repeatable and current_database().gives_up_replica(error)):
            return answer(error)
        try:
            return current_app.make_response(current_app.dispatch_request())
        except Exception as again:
            return current_app.make_response(current_app.handle_user_exception(again))

    return handler


def _too_slow(error: psycopg.errors.QueryCanceled) -> Response:
    logger.warning("a statement was cancelled: %s", error)
    return _unavailable(
        Kind.TOO_SLOW, "The database took too long. Ask for a shorter range or fewer workflows."
    )


def _not_built(error: Exception) -> Response:
    logger.error("the marts are not what this version expects: %s", error)
    return _unavailable(
        Kind.NOT_BUILT, "The statistics are not built yet; GET /readyz says what is missing."
    )


def _database_away(error: psycopg.OperationalError) -> Response:
    logger.error("the database did not answer: %s", error)
    return _unavailable(Kind.DATABASE_AWAY, "The database does not answer. Try again in a moment.")


def _fault(error: Exception) -> Response:
    occurrence = f"urn:uuid:{uuid.uuid4()}"
    logger.error("%s", occurrence, exc_info=error)
    return problem_response(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "Something went wrong here. The log names it by this instance.",
        members={"instance": occurrence},
    )
