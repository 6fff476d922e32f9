"""Answers as JSON: numbers as numbers, times as RFC 3339 in UTC with `Z`."""

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any

import orjson
from flask import Response, request

from api.freshness import Freshness

AS_OF_HEADER = "Actionsight-As-Of"
NEWEST_OBSERVATION_HEADER = "Actionsight-Newest-Observation-At"
UNKNOWN = "unknown"

# A browser may keep an answer with a tag for its user, but asks each time whether it still holds:
# rights can end at any moment. Nothing that is shared may keep it.
_KEPT_AND_ASKED = "private, no-cache"


def to_json(value: Any) -> bytes:
    """Serialise; times must carry a zone, and come out in UTC."""
    return orjson.dumps(value, option=orjson.OPT_UTC_Z)


def json_response(body: Any, status: int = 200, mimetype: str = "application/json") -> Response:
    """A response with this body."""
    return Response(to_json(body), status=status, mimetype=mimetype)


def data_body(data: Any, *, applied: Mapping[str, Any], **members: Any) -> bytes:
    """The body of an answer: data, and the filter that was applied."""
    return to_json({"data": data, **members, "filter": applied})


def tag_of(body: bytes) -> str:
    """A tag for a body that has no key."""
    return hashlib.blake2b(body, digest_size=32).hexdigest()


def tagged_response(tag: str, read_body: Callable[[], bytes], freshness: Freshness) -> Response:
    """The body with its tag; a 304, for which no body is read, where the client has it already.

    Both say how fresh the numbers are (two headers), which changes while the body does not.
    """
    if request.if_none_match.contains_weak(tag):
        response = Response(status=HTTPStatus.NOT_MODIFIED)
    else:
        response = Response(read_body(), mimetype="application/json")
    response.set_etag(tag)
    response.headers["Cache-Control"] = _KEPT_AND_ASKED
    response.vary.update(("Authorization", "Cookie"))
    response.headers[AS_OF_HEADER] = _or_unknown(freshness.as_of)
    response.headers[NEWEST_OBSERVATION_HEADER] = _or_unknown(freshness.newest_observation_at)
    return response


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC, as in the bodies."""
    return to_json(moment).decode().strip('"')


def _or_unknown(moment: datetime | None) -> str:
    return UNKNOWN if moment is None else timestamp(moment)
