"""GET /healthz and GET /readyz."""

from http import HTTPStatus

from flask import Blueprint, Response

from api.answers import json_response
from api.database import current_database
from api.endpoints import endpoint
from api.errors import RETRY_SECONDS, Problem
from api.health.queries import find_missing
from api.parameters import Arguments
from api.schemas import record

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
@endpoint(
    "Whether this process lives.", answer=record({"status": {"const": "ok"}}), has_as_of=False
)
def get_healthz(_: Arguments) -> Response:
    """Asks nothing else: a database that is away must not get a living process killed."""
    return json_response({"status": "ok"})


@blueprint.get("/readyz")
@endpoint(
    "Whether the API can answer: the database is there, and the statistics are built.",
    answer=record({"status": {"const": "ready"}}),
    has_as_of=False,
)
def get_readyz(_: Arguments) -> Response:
    """A 503 names in `missing` what is not there, and what brings it."""
    with current_database().snapshot() as connection:
        missing = find_missing(connection)
    if missing:
        names = ", ".join(item["name"] for item in missing)
        remedies = " ".join(dict.fromkeys(item["remedy"] for item in missing))
        raise Problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            f"Not in the database yet: {names}. {remedies}",
            headers={"Retry-After": RETRY_SECONDS},
            missing=missing,
        )
    return json_response({"status": "ready"})
