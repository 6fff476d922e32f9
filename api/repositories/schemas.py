"""What /repositories answers, and what a request to monitor a repository holds."""

import re
from http import HTTPStatus
from typing import Any

import orjson
from flask import Request

from api.bodies import read_body
from api.errors import Problem, bad_request
from api.pagination import NEXT_SCHEMA
from api.parameters import Schema, text_for_answer
from api.schemas import BOOLEAN, COUNT, ID, TEXT, TIME, URL, described, list_of, nullable, record

JSON = "application/json"
# GitHub's own rules; what passes stands in addresses.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}/(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}")

STATES = ("waiting", "backfilling", "collecting", "collected", "trouble", "unreachable")

_PROGRESS = record(
    {
        "backfill_target": described(
            nullable(TIME), "How far back the history of runs is wanted; null: not yet known."
        ),
        "backfilled_from": described(
            nullable(TIME), "From here on it is complete; null: not yet known."
        ),
        "windows": described(
            COUNT, "Spans of time that the backfill reads; full ones are divided, so they grow."
        ),
        "windows_completed": described(COUNT, "Those of them that are stored."),
        "job_listings_owed": described(
            COUNT, "Attempts whose jobs were still to be listed when they were last counted."
        ),
        "estimated_end": described(
            nullable(TIME),
            "When the history will be complete at the pace of the last hour; null: it is, or "
            "nobody can tell.",
        ),
    }
)

_REPOSITORY = record(
    {
        "repository_id": ID,
        "full_name": TEXT,
        "visibility": TEXT,
        "state": {
            "type": "string",
            "enum": list(STATES),
            "description": "How its collection does: it waits for its first one; its history is "
            "being read; that is stored, and not yet in the numbers; it has been collected; "
            "`trouble` says why it fails; GitHub says that it is not there, or not readable.",
        },
        "default_branch": nullable(TEXT),
        "is_archived": {**BOOLEAN, "type": ["boolean", "null"]},
        "html_url": nullable(URL),
        "workflow_count": COUNT,
        "run_count": COUNT,
        "jobs_listed": described(COUNT, "Jobs as listed under all attempts."),
        "added_at": TIME,
        "backfilled_from": described(
            nullable(TIME), "The history of runs is complete from here on; null: not yet known."
        ),
        "observed_until": described(
            nullable(TIME), "Up to when its numbers can be trusted; null: not yet known."
        ),
        "newest_observation_at": described(
            nullable(TIME),
            "When something new was last seen of it, by a webhook or a poll; null: not yet.",
        ),
        "trouble": described(nullable(TEXT), "Why its collection fails; null: it is well."),
        "trouble_since": nullable(TIME),
        "unreachable_since": described(
            nullable(TIME),
            "Since when GitHub says that it is not there, or not readable for the collector; its "
            "data stays, and operators alone see it. Null: it is reachable.",
        ),
        "failure_count": described(COUNT, "How often in a row its collection failed."),
        "next_try_at": described(
            nullable(TIME), "When a poll tries it again; null: its collection is well."
        ),
        "progress": described(_PROGRESS, "How far the backfill has come."),
    }
)

REPOSITORIES = list_of(_REPOSITORY)

ADDED = record(
    {
        "data": _REPOSITORY,
        "webhook": record(
            {
                "status": {"type": "string", "enum": ["created", "exists", "not_created"]},
                "reason": described(
                    nullable(TEXT),
                    "Why there is none of ours, or is needed; null: there is one.",
                ),
            }
        ),
    }
)

AVAILABLE = record(
    {
        "data": {
            "type": "array",
            "items": record(
                {
                    "repository_id": ID,
                    "full_name": TEXT,
                    "visibility": TEXT,
                    "html_url": nullable(URL),
                    "role": described(TEXT, "What the viewer may do there, by GitHub's names."),
                }
            ),
        },
        "next": NEXT_SCHEMA,
        "install_url": described(
            URL, "Where the App is given more repositories, so that they appear here."
        ),
    }
)

NAME: Schema = {
    "type": "object",
    "properties": {
        "full_name": {
            "type": "string",
            "description": "`owner/name`, in any case.",
            "examples": ["octocat/hello-world"],
        }
    },
    "required": ["full_name"],
    "additionalProperties": False,
}


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
