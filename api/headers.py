"""What the headers of answers mean, for the OpenAPI document."""

from collections.abc import Mapping

from api import request_ids
from api.parameters import Schema
from api.rate_limits import LIMIT_HEADER, POLICY_HEADER
from api.responses import AS_OF_HEADER, NEWEST_OBSERVATION_HEADER, UNKNOWN

Headers = Mapping[str, Mapping[str, object]]

TEXT: Schema = {"type": "string"}
TIME: Schema = {"type": "string", "format": "date-time"}
_TIME_OR_UNKNOWN: Schema = {"anyOf": [TIME, {"const": UNKNOWN}]}

_FRESHNESS: Headers = {
    AS_OF_HEADER: {
        "description": "Up to when the numbers can be trusted: the earliest over the repositories "
        "of the answer.",
        "schema": _TIME_OR_UNKNOWN,
    },
    NEWEST_OBSERVATION_HEADER: {
        "description": "When something new was last seen, by a webhook or a poll: the newest over "
        "the repositories of the answer.",
        "schema": _TIME_OR_UNKNOWN,
    },
}
CONDITIONAL: Headers = {
    **_FRESHNESS,
    "ETag": {
        "description": "Names the body: sent back as `If-None-Match`, it is answered by a 304 "
        "while the body is the same.",
        "schema": TEXT,
    },
}
NEXT_PAGE: Headers = {
    "Link": {
        "description": 'The address of the next page, `<…>; rel="next"`; none on the last one.',
        "schema": TEXT,
    },
}
LIMITS: Headers = {
    POLICY_HEADER: {
        "description": 'How many requests the caller may send: `"viewer";q=1200;w=60` is 1,200 in '
        "60 seconds.",
        "schema": TEXT,
    },
    LIMIT_HEADER: {
        "description": 'What is left of it: `"viewer";r=1199;t=60` is 1,199 in the next 60 s.',
        "schema": TEXT,
    },
}
REQUEST: Headers = {
    request_ids.HEADER: {
        "description": "What was sent, or an id made here; the log's lines of the request have it.",
        "schema": TEXT,
    },
}
RETRY_AFTER: Headers = {
    "Retry-After": {
        "description": "Seconds to wait.",
        "schema": {"type": "integer", "minimum": 1},
    },
}
