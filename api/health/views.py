"""GET /healthz and GET /readyz."""

import threading
import time
from http import HTTPStatus
from typing import Any

import psycopg
from flask import Blueprint, Flask, Response, current_app

from actionsight.redeliveries import count_given_up
from actionsight.silent_hooks import list_silent
from api.database import Primary, current_database
from api.disk import disk_of
from api.endpoints import endpoint
from api.errors import RETRY_SECONDS, Kind, Problem
from api.event_buffer import read_waiting
from api.freshness import read_freshness
from api.health.queries import find_missing
from api.health.records import Alive, Readiness
from api.responses import json_response

blueprint = Blueprint("health", __name__)
readiness = Blueprint("readiness", __name__)

SERVES_SECONDS = 1.0
_EXTENSION = "readiness"


def init_app(app: Flask) -> None:
    """Let this application remember how ready it was a moment ago."""
    app.extensions[_EXTENSION] = _Readiness()


@blueprint.get("/healthz")
@endpoint("Whether this process lives.", tag="installation", answer=Alive, has_freshness=False)
def get_healthz() -> Response:
    """Asks nothing else: a database that is away must not get a living process killed."""
    return json_response({"status": "ok"})


@readiness.get("/readyz")
@endpoint(
    "Whether the API can answer: the database is there, and the statistics are built.",
    tag="installation",
    answer=Readiness,
    has_freshness=False,
)
def get_readyz() -> Response:
    """How fresh all that is monitored is, as of a second ago at most. A 503 names in `missing` what
    is not there, and what brings it."""
    newest: _Readiness = current_app.extensions[_EXTENSION]
    return newest.answer()


class _Readiness:
    """The newest answer, which serves for a moment: nobody is limited here, so whoever asks at will
    must not cost a connection each time. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._newest: Response | None = None
        self._made_at = float("-inf")

    def answer(self) -> Response:
        """The newest answer, or a new one; one thread makes it while the others wait."""
        with self._lock:
            newest = self._newest
            if newest is None or time.monotonic() > self._made_at + SERVES_SECONDS:
                self._newest = newest = _make()
                self._made_at = time.monotonic()
            return Response(newest.data, newest.status_code, newest.headers.copy())


def _make() -> Response:
    try:
        return _read()
    except (Problem, psycopg.Error) as error:
        return current_app.make_response(current_app.handle_user_exception(error))


def _read() -> Response:
    with current_database().snapshot() as connection:
        if missing := find_missing(connection):
            raise _not_ready(missing)
        freshness = read_freshness(connection)
        webhooks = _webhooks(connection)
    return json_response(
        {
            "status": "ready",
            "as_of": freshness.as_of,
            "newest_observation_at": freshness.newest_observation_at,
            "event_buffer": _event_buffer(),
            "webhooks": webhooks,
            "disk": _disk(),
        }
    )


def _not_ready(missing: list[dict[str, str]]) -> Problem:
    names = ", ".join(item["name"] for item in missing)
    remedies = " ".join(dict.fromkeys(item["remedy"] for item in missing))
    return Problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        f"Not in the database yet: {names}. {remedies}",
        headers={"Retry-After": RETRY_SECONDS},
        kind=Kind.NOT_BUILT,
        missing=missing,
    )


def _event_buffer() -> dict[str, Any]:
    # Shown, and no reason to be unready: readers need the marts alone, and a balancer that took
    # this process away would take their answers too. The receiver says 503 for itself, and what
    # GitHub could not deliver is found by polling.
    waiting = read_waiting()
    return {
        "status": waiting.status.value,
        "event_count": waiting.event_count,
        "oldest_event_age_seconds": waiting.oldest_event_age_seconds,
        "memory_bytes": waiting.memory.used_bytes if waiting.memory else None,
        "memory_limit_bytes": waiting.memory.limit_bytes if waiting.memory else None,
    }


def _webhooks(connection: Primary) -> dict[str, Any]:
    # No reason to be unready either: polls find what webhooks do not tell.
    counts = {
        "silent_count": len(list_silent(connection)),
        "given_up_count": count_given_up(connection),
    }
    return {"status": "late" if any(counts.values()) else "ok", **counts}


def _disk() -> dict[str, Any]:
    usage = disk_of(current_app).usage()
    return {
        "status": usage.status,
        "used_bytes": usage.used_bytes,
        "limit_bytes": usage.limit_bytes,
    }
