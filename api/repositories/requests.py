"""What a request to monitor a repository holds, checked."""

import re
from http import HTTPStatus
from typing import Any

import orjson
from flask import Request

from api.bodies import read_body
from api.errors import Problem, bad_request
from api.parameters import text_for_answer

JSON = "application/json"
# GitHub's own rules; what passes stands in addresses.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}/(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}")


def read_full_name(request: Request) -> str:
    """The `full_name` of the body.

    Raises:
        Problem: 400, 415.
        werkzeug.exceptions.RequestEntityTooLarge: 413.
    """
    if request.mimetype != JSON:
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Send {JSON}.")
    try:
        body: Any = orjson.loads(read_body(request))
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        raise Problem(HTTPStatus.BAD_REQUEST, 'The body must be JSON: {"full_name": "owner/name"}.')
    errors = [
        {"parameter": text_for_answer(name), "detail": "is unknown; known here: full_name"}
        for name in body
        if name != "full_name"
    ]
    full_name = body.get("full_name")
    if not isinstance(full_name, str) or not _NAME.fullmatch(full_name):
        errors.append({"parameter": "full_name", "detail": "must be owner/name"})
    if errors or not isinstance(full_name, str):
        raise bad_request("The body cannot be used; see errors.", errors)
    return full_name
