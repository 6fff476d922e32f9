"""GitHub's payloads as rows of the raw tables: pure functions, the same for polls and webhooks.

They take what GitHub really sends: absent fields, empty strings, NUL characters, local offsets
with milliseconds, attempts that old answers do not number. What a payload lacks is null.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

import orjson

from ingestion.github.schema import CONTENT_HASH, GONE_AT, Row

Payload = Mapping[str, Any]

# GitHub re-runs a run 50 times; the earlier attempts of one that claims more are asked for, each.
MOST_ATTEMPTS = 1_000


class UnreadablePayloadError(ValueError):
    """A payload lacks an id or carries a value of the wrong kind; the message says which."""


def repository_row(payload: Payload) -> Row:
    """The row of raw.repositories for a repository object.

    Raises:
        UnreadablePayloadError: no id, or a value of the wrong kind.
    """
    owner = _object(payload, "owner")
    private = _boolean(payload, "private")
    return _hashed(
        {
            "repository_id": _id(payload, "id"),
            "node_id": _text(payload, "node_id"),
            "full_name": _text(payload, "full_name"),
            "name": _text(payload, "name"),
            "owner_id": _integer(owner, "id"),
            "owner_login": _text(owner, "login"),
            "owner_type": _text(owner, "type"),
            "private": private,
            "visibility": visibility_of(_text(payload, "visibility"), private),
            "default_branch": _text(payload, "default_branch"),
            "archived": _boolean(payload, "archived"),
            "disabled": _boolean(payload, "disabled"),
            "fork": _boolean(payload, "fork"),
            "html_url": _text(payload, "html_url"),
            "created_at": _time(payload, "created_at"),
        }
    )


def visibility_of(visibility: str | None, private: bool | None) -> str | None:
    """Who may see a repository, by its two fields, of which old answers lack the first; where they
    contradict each other it is closed."""
    if private and visibility in (None, "public"):
        return "private"
    return "public" if visibility is None and private is False else visibility


def workflow_row(payload: Payload, repository_id: int) -> Row:
    """The row of raw.workflows for a workflow object, which does not name its repository.

    Raises:
        UnreadablePayloadError: no id, or a value of the wrong kind.
    """
    row = _hashed(
        {
            "workflow_id": _id(payload, "id"),
            "repository_id": repository_id,
            "node_id": _text(payload, "node_id"),
            "name": _text(payload, "name"),
            "path": _text(payload, "path"),
            "state": _text(payload, "state"),
            "html_url": _text(payload, "html_url"),
            "created_at": _time(payload, "created_at"),
            "updated_at": _time(payload, "updated_at"),
            "deleted_at": _time(payload, "deleted_at"),
        }
    )
    return {**row, GONE_AT: None}


def workflow_run_row(payload: Payload, repository_id: int) -> Row:
    """The row of raw.workflow_runs for an attempt of a run; an attempt without number is the first.

    `repository_id` stands in where the payload does not name its repository.

    Raises:
        UnreadablePayloadError: no id, or a value of the wrong kind.
    """
    actor = _object(payload, "actor")
    triggering_actor = _object(payload, "triggering_actor")
    head_repository = _object(payload, "head_repository")
    row = _hashed(
        {
            "run_id": _id(payload, "id"),
            "run_attempt": _attempt(payload) or 1,
            "repository_id": _integer(_object(payload, "repository"), "id") or repository_id,
            "workflow_id": _id(payload, "workflow_id"),
            "check_suite_id": _integer(payload, "check_suite_id"),
            "name": _text(payload, "name"),
            "display_title": _text(payload, "display_title"),
            "path": _text(payload, "path"),
            "run_number": _integer(payload, "run_number"),
            "event": _text(payload, "event"),
            "status": _text(payload, "status"),
            "conclusion": _text(payload, "conclusion"),
            "head_branch": _text(payload, "head_branch"),
            "head_sha": _text(payload, "head_sha"),
            "created_at": _time(payload, "created_at"),
            "updated_at": _time(payload, "updated_at"),
            "run_started_at": _time(payload, "run_started_at"),
            "actor_id": _integer(actor, "id"),
            "actor_login": _text(actor, "login"),
            "triggering_actor_id": _integer(triggering_actor, "id"),
            "triggering_actor_login": _text(triggering_actor, "login"),
            "head_repository_id": _integer(head_repository, "id"),
            "head_repository_full_name": _text(head_repository, "full_name"),
            "pull_request_numbers": _json(
                [
                    number
                    for item in _objects(payload, "pull_requests")
                    if (number := _integer(item, "number")) is not None
                ]
            ),
            "referenced_workflow_paths": _json(
                [_text(item, "path") for item in _objects(payload, "referenced_workflows")]
            ),
            "html_url": _text(payload, "html_url"),
        }
    )
    return {**row, GONE_AT: None}


def gone_row(stored: Row, gone_at: datetime) -> Row:
    """The stored row of what GitHub does not show any more, stamped with when that was noticed."""
    digest = blake2b(f"{stored[CONTENT_HASH]} gone".encode(), digest_size=16)
    return {**stored, GONE_AT: gone_at, CONTENT_HASH: digest.hexdigest()}


def workflow_job_row(payload: Payload, repository_id: int, run_attempt: int | None = 1) -> Row:
    """The row of raw.workflow_jobs for a job; times of its steps are UTC.

    `run_attempt` stands in where the payload does not say under which attempt it is listed; None
    leaves it unknown.

    Raises:
        UnreadablePayloadError: no id, or a value of the wrong kind.
    """
    labels = payload.get("labels")
    row = _hashed(
        {
            "job_id": _id(payload, "id"),
            "run_id": _id(payload, "run_id"),
            "run_attempt": _attempt(payload) or run_attempt,
            "repository_id": repository_id,
            "name": _text(payload, "name"),
            "workflow_name": _text(payload, "workflow_name"),
            "status": _text(payload, "status"),
            "conclusion": _text(payload, "conclusion"),
            "created_at": _time(payload, "created_at"),
            "started_at": _time(payload, "started_at"),
            "completed_at": _time(payload, "completed_at"),
            "head_branch": _text(payload, "head_branch"),
            "head_sha": _text(payload, "head_sha"),
            "labels": _json(
                [clean_text(label) for label in labels if isinstance(label, str)]
                if isinstance(labels, list)
                else []
            ),
            "runner_id": _integer(payload, "runner_id"),
            "runner_name": _text(payload, "runner_name"),
            "runner_group_id": _integer(payload, "runner_group_id"),
            "runner_group_name": _text(payload, "runner_group_name"),
            "steps": _json([_step(step) for step in _objects(payload, "steps")]),
            "html_url": _text(payload, "html_url"),
        }
    )
    return {**row, GONE_AT: None}


def parse_time(text: str) -> datetime:
    """An ISO 8601 time, with any offset or none (then UTC), as UTC.

    Raises:
        ValueError: `text` is no such time.
        OverflowError: in UTC it lies before the year 1 or after 9999.
    """
    parsed = datetime.fromisoformat(text)
    if parsed.tzinfo is UTC:
        return parsed
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def clean_text(text: str) -> str:
    """Text without what PostgreSQL does not store: NUL, and lone surrogates, which are no text."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "").encode("utf-8", "ignore").decode()


def _step(payload: Payload) -> Row:
    return {
        "number": _integer(payload, "number"),
        "name": _text(payload, "name"),
        "status": _text(payload, "status"),
        "conclusion": _text(payload, "conclusion"),
        "started_at": _time(payload, "started_at"),
        "completed_at": _time(payload, "completed_at"),
    }


def _hashed(row: Row) -> Row:
    digest = blake2b(orjson.dumps(list(row.values())), digest_size=16)
    return {**row, CONTENT_HASH: digest.hexdigest()}


def _json(value: list[Any]) -> str:
    return orjson.dumps(value, option=orjson.OPT_UTC_Z).decode()


def _text(payload: Payload, field: str) -> str | None:
    value = payload.get(field)
    if isinstance(value, str):
        return clean_text(value) or None
    if value is None:
        return None
    raise UnreadablePayloadError(f"{field} is not text: {value!r:.80}")


def _integer(payload: Payload, field: str) -> int | None:
    value: object = payload.get(field)
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise UnreadablePayloadError(f"{field} is not a whole number: {value!r:.80}")
    if not -(2**63) <= value < 2**63:
        raise UnreadablePayloadError(f"{field} is too great: {value!r:.80}")
    return value


def _attempt(payload: Payload) -> int | None:
    value = _integer(payload, "run_attempt")
    if value is not None and not 0 <= value <= MOST_ATTEMPTS:
        raise UnreadablePayloadError(f"run_attempt is impossible: {value!r:.80}")
    return value


def _id(payload: Payload, field: str) -> int:
    value = _integer(payload, field)
    if value is None:
        raise UnreadablePayloadError(f"{field} is missing")
    return value


def _boolean(payload: Payload, field: str) -> bool | None:
    value = payload.get(field)
    if value is None or isinstance(value, bool):
        return value
    raise UnreadablePayloadError(f"{field} is neither true nor false: {value!r:.80}")


def _time(payload: Payload, field: str) -> datetime | None:
    text = _text(payload, field)
    if text is None:
        return None
    try:
        return parse_time(text)
    except (ValueError, OverflowError) as error:
        raise UnreadablePayloadError(f"{field} is not a time: {text!r:.80}") from error


def _object(payload: Payload, field: str) -> Payload:
    value = payload.get(field)
    # A dict is all that JSON makes of an object, and is told from others faster than a mapping.
    return value if isinstance(value, dict) else {}


def _objects(payload: Payload, field: str) -> list[Payload]:
    value = payload.get(field)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
