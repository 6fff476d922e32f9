"""The one shape of every failure: problem details (RFC 9457).

What went wrong inside stays in the log; the answer to a fault names the occurrence, by which the
log can be searched.
"""

import logging
import uuid
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import psycopg
from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from api.database import NotBuiltError
from api.responses import json_response

PROBLEM_JSON = "application/problem+json"
RETRY_SECONDS = "5"
MOST_ERRORS = 20

logger = logging.getLogger(__name__)


class Problem(Exception):  # noqa: N818 RFC 9457 calls it a problem
    """A failure whose detail a client may read; `members` are added to the answer."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers or {}
        self.members = members


def bad_request(detail: str, errors: list[dict[str, str]]) -> Problem:
    """A 400 that names each unusable parameter (`errors`: parameter and detail), up to a number: an
    answer must not be much larger than what was sent."""
    return Problem(HTTPStatus.BAD_REQUEST, detail, errors=errors[:MOST_ERRORS])


def not_found(what: str) -> Problem:
    """The same answer for what does not exist and for what this viewer may not see."""
    return Problem(HTTPStatus.NOT_FOUND, f"{what} is not monitored, or you may not see it.")


def problem_response(
    status: HTTPStatus,
    detail: str,
    headers: Mapping[str, str] | None = None,
    members: Mapping[str, Any] | None = None,
) -> Response:
    """The response in the one shape."""
    body = {
        "type": "about:blank",
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
    app.register_error_handler(NotBuiltError, _not_built)
    app.register_error_handler(psycopg.errors.UndefinedTable, _not_built)
    app.register_error_handler(psycopg.errors.InvalidSchemaName, _not_built)
    app.register_error_handler(psycopg.errors.UndefinedColumn, _not_built)
    app.register_error_handler(psycopg.OperationalError, _database_away)
    app.register_error_handler(Exception, _fault)


def _problem(problem: Problem) -> Response:
    return problem_response(problem.status, problem.detail, problem.headers, problem.members)


def _http_exception(error: HTTPException) -> Response:
    response = error.get_response()
    if error.code is None or error.code < HTTPStatus.BAD_REQUEST:
        return Response(response.get_data(), response.status_code, response.headers)
    kept = {name: value for name, value in response.headers if name in ("Allow", "Retry-After")}
    detail = _DETAILS.get(error.code) or error.description or ""
    return problem_response(HTTPStatus(error.code), detail, kept)


_DETAILS = {
    HTTPStatus.NOT_FOUND.value: "There is no such route; GET /openapi.json lists them.",
    HTTPStatus.METHOD_NOT_ALLOWED.value: "This route does not know that method; see Allow.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE.value: "The body is larger than any that is taken here.",
}


def _unavailable(detail: str) -> Response:
    return problem_response(HTTPStatus.SERVICE_UNAVAILABLE, detail, {"Retry-After": RETRY_SECONDS})


def _too_slow(error: psycopg.errors.QueryCanceled) -> Response:
    logger.warning("a statement was cancelled: %s", error)
    return _unavailable("The database took too long. Ask for a shorter range or fewer workflows.")


def _not_built(error: Exception) -> Response:
    logger.error("the marts are not what this version expects: %s", error)
    return _unavailable("The statistics are not built yet; GET /readyz says what is missing.")


def _database_away(error: psycopg.OperationalError) -> Response:
    logger.error("the database did not answer: %s", error)
    return _unavailable("The database does not answer. Try again in a moment.")


def _fault(error: Exception) -> Response:
    occurrence = f"urn:uuid:{uuid.uuid4()}"
    logger.error("%s", occurrence, exc_info=error)
    return problem_response(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "Something went wrong here. The log names it by this instance.",
        members={"instance": occurrence},
    )
