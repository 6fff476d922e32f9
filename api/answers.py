"""Answers as JSON: numbers as numbers, times as RFC 3339 in UTC with `Z`."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson
from flask import Response

from api.freshness import Freshness

AS_OF_HEADER = "Actionsight-As-Of"
NEWEST_OBSERVATION_HEADER = "Actionsight-Newest-Observation-At"
UNKNOWN = "unknown"


def to_json(value: Any) -> bytes:
    """Serialise; times must carry a zone, and come out in UTC."""
    return orjson.dumps(value, option=orjson.OPT_UTC_Z)


def json_response(body: Any, status: int = 200, mimetype: str = "application/json") -> Response:
    """A response with this body."""
    return Response(to_json(body), status=status, mimetype=mimetype)


def data_response(
    data: Any, *, freshness: Freshness, applied: Mapping[str, Any], **members: Any
) -> Response:
    """Data, the filter that was applied, and how fresh the numbers are (two headers)."""
    response = json_response({"data": data, **members, "filter": applied})
    response.headers[AS_OF_HEADER] = _or_unknown(freshness.as_of)
    response.headers[NEWEST_OBSERVATION_HEADER] = _or_unknown(freshness.newest_observation_at)
    return response


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC, as in the bodies."""
    return to_json(moment).decode().strip('"')


def _or_unknown(moment: datetime | None) -> str:
    return UNKNOWN if moment is None else timestamp(moment)
