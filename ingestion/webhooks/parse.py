"""What a delivery leads to: pure functions, the only place where a payload is parsed.

    workflow_run             → a row of raw.webhook_runs
    workflow_job             → a row of raw.webhook_jobs
    repository               → a row of raw.repository_history, and what follows:
    repository, installation,
    installation_repositories,
    github_app_authorization → somebody may see less from now on, or there is something to look at
    anything else            → nothing, but the ledger counts it

The object is trusted, never the action: a run can be `requested` and completed already. Only events
of these names count (`actionsight/webhook_events.py`): a deployment's payload, for one, embeds part
of a run.
"""

import zlib
from collections.abc import Container, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal
from urllib.parse import parse_qs

from actionsight.github.payloads import parse_json
from actionsight.webhook_events import OBSERVED_EVENTS, READ_EVENTS
from ingestion.github.rows import (
    Payload,
    UnreadablePayloadError,
    clean_text,
    parse_time,
    visibility_of,
    workflow_job_row,
    workflow_run_row,
)
from ingestion.github.schema import WORKFLOW_JOBS, WORKFLOW_RUNS, Row, Table
from ingestion.webhooks.delivery import LONGEST_NAME, Delivery

Outcome = Literal["observed", "applied", "not_monitored", "ignored"]

FORM = "application/x-www-form-urlencoded"
# A hook's form has one field.
MOST_FIELDS = 20


class UnreadableEventError(ValueError):
    """A delivery that should lead to something and cannot; the message is a short reason.

    It can quote up to 80 characters of a value, so it belongs beside the body, not into a log.
    """


@dataclass(frozen=True)
class Observation:
    """What a delivery says of a run or a job: a row of a table of polling's form."""

    table: Table
    row: Row


@dataclass(frozen=True)
class RepositoryState:
    """What a delivery says of a repository, and since when it is so; None: it does not say."""

    changed_at: datetime | None
    visibility: str
    default_branch: str


@dataclass(frozen=True)
class AccessRevocation:
    """Which repositories rights are taken to, whoever holds them: those with these ids, and all of
    an owner; where a payload tells neither, all."""

    repository_ids: frozenset[int] = frozenset()
    owner: str | None = None


@dataclass(frozen=True)
class Effect:
    """What a delivery takes away, and what is to be looked at. Nothing is ever given: a late
    delivery must not open anything.

    Attributes:
        is_to_be_looked_at: its repository has changed; the next poll asks what it is like now.
        grows_owner: whose installation has got repositories, as a login in lower case; the next
            poll lists them.
        makes_private: its repository is private.
        revocation: rights to which repositories count no more, if they were read before.
        signed_out_user_id: whose sign-ins have ended.
    """

    is_to_be_looked_at: bool = False
    grows_owner: str | None = None
    makes_private: bool = False
    revocation: AccessRevocation | None = None
    signed_out_user_id: int | None = None


@dataclass(frozen=True)
class ParsedDelivery:
    """What a delivery leads to; `applied` means that it has an effect."""

    outcome: Outcome
    action: str | None
    repository_id: int | None
    installation_id: int | None
    observation: Observation | None = None
    effect: Effect | None = None
    state: RepositoryState | None = None


_CLOSES = Effect(makes_private=True)
_CHANGES = Effect(is_to_be_looked_at=True)
_EFFECTS: Mapping[tuple[str, str | None], Effect] = {
    ("repository", "privatized"): _CLOSES,
    ("repository", "deleted"): _CLOSES,
    ("repository", "publicized"): _CHANGES,
    ("repository", "renamed"): _CHANGES,
    ("repository", "transferred"): _CHANGES,
    ("repository", "edited"): _CHANGES,
    ("repository", "archived"): _CHANGES,
    ("repository", "unarchived"): _CHANGES,
}
# By these, rights that were read before count no more where they are about.
_REVOKES = {
    ("repository", "privatized"),
    ("repository", "deleted"),
    ("repository", "publicized"),
    ("installation", "deleted"),
    ("installation", "suspend"),
    ("installation_repositories", "removed"),
}
_GROWS = {
    ("installation", "created"),
    ("installation", "unsuspend"),
    ("installation_repositories", "added"),
}
# An event's name is not signed, as its body is: what the bodies of other events hold whose actions
# have the names of these. So no star that was deleted can be passed off as a repository that was.
# A field that nobody knows yet is no reason: what closes must close.
_OF_OTHER_EVENTS = frozenset(
    {
        *("alert", "branch_protection_configuration", "check_run", "check_suite", "comment"),
        *("commits", "definition", "deployment", "discussion", "forkee", "hook", "issue", "key"),
        *("label", "member", "membership", "milestone", "package", "project", "project_card"),
        *("project_column", "projects_v2", "projects_v2_item", "pull_request", "ref"),
        *("registry_package", "release", "repository_advisory", "repository_ruleset", "review"),
        *("rule", "scan", "sponsorship", "starred_at", "team", "thread", "workflow"),
        *("workflow_job", "workflow_run", "zen"),
    }
)


def parse_delivery(delivery: Delivery, monitored: Container[int]) -> ParsedDelivery:
    """Read a delivery; of repositories that are not monitored no more than whose it is.

    Args:
        monitored: ids of the monitored repositories.

    Raises:
        UnreadableEventError: the body is no JSON object, or lacks what its kind of event needs.
    """
    try:
        payload = parse_body(delivery)
        return _parsed(delivery.event, payload, monitored)
    except UnreadablePayloadError as error:
        raise UnreadableEventError(f"{delivery.event}: {error}") from error
    except RecursionError as error:
        raise UnreadableEventError("the body is nested too deep") from error


def parse_body(delivery: Delivery) -> dict[str, Any]:
    """The payload of a delivery, sent as JSON or as a form with the JSON in `payload`.

    Raises:
        UnreadableEventError: it holds no JSON object.
        RecursionError: it is nested too deep.
    """
    text = raw_body(delivery)
    if delivery.headers.get("content-type", "").partition(";")[0].strip().lower() == FORM:
        text = _form_payload(text)
    try:
        payload = parse_json(text)
    except ValueError as error:
        raise UnreadableEventError("the body is not JSON") from error
    if not isinstance(payload, dict):
        raise UnreadableEventError("the body is JSON, but no object")
    return payload


def raw_body(delivery: Delivery) -> bytes:
    """The body as GitHub sent it.

    Raises:
        UnreadableEventError: it cannot be decompressed.
    """
    try:
        return zlib.decompress(delivery.body)
    except zlib.error as error:
        raise UnreadableEventError("the buffered body cannot be decompressed") from error


def _form_payload(body: bytes) -> bytes:
    try:
        fields = parse_qs(
            body.decode(), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS
        )
    except ValueError as error:
        raise UnreadableEventError("the body is not the form that its content type says") from error
    if "payload" not in fields:
        raise UnreadableEventError("the form has no field payload")
    return fields["payload"][0].encode()


def _parsed(event: str, payload: Payload, monitored: Container[int]) -> ParsedDelivery:
    action = _text(payload.get("action"))
    repository_id = _id(payload, "repository")
    installation_id = _id(payload, "installation")
    effect = _effect(event, action, payload) if event in READ_EVENTS else None
    outcome: Outcome = "ignored" if effect is None else "applied"
    if event in OBSERVED_EVENTS:
        outcome = "observed"
    if repository_id is None and (outcome == "observed" or (effect and event == "repository")):
        raise UnreadablePayloadError("repository.id is missing or no id")
    if repository_id is not None and repository_id not in monitored:
        return ParsedDelivery("not_monitored", action, repository_id, installation_id)
    observation = None
    if outcome == "observed" and repository_id is not None:
        observe = _observed_run if event == "workflow_run" else _observed_job
        observation = observe(payload, repository_id)
    return ParsedDelivery(
        outcome,
        action,
        repository_id,
        installation_id,
        observation,
        effect,
        state=_state(payload) if effect is not None and event == "repository" else None,
    )


def _effect(event: str, action: str | None, payload: Payload) -> Effect | None:
    effect = _effect_by_name(event, action, payload)
    if effect is not None and (foreign := payload.keys() & _OF_OTHER_EVENTS):
        raise UnreadablePayloadError(f"{min(foreign)[:40]!a} belongs to another event")
    return effect


def _effect_by_name(event: str, action: str | None, payload: Payload) -> Effect | None:
    if (event, action) in _GROWS:
        owner = _owner(payload)
        return Effect(grows_owner=owner) if owner else None
    effect = _EFFECTS.get((event, action))
    if (event, action) in _REVOKES:
        return replace(effect or Effect(), revocation=_revocation(payload))
    if (event, action) != ("github_app_authorization", "revoked"):
        return effect
    user_id = _id(payload, "sender")
    if user_id is None:
        raise UnreadablePayloadError("sender.id is missing or no id")
    return Effect(signed_out_user_id=user_id)


def _revocation(payload: Payload) -> AccessRevocation:
    """What a payload is about: its repository, those that it names as removed, or all that it names
    and all of the installation's owner."""
    if repository_id := _id(payload, "repository"):
        return AccessRevocation(frozenset({repository_id}))
    if removed := _ids(payload.get("repositories_removed")):
        return AccessRevocation(removed)
    return AccessRevocation(_ids(payload.get("repositories")), _owner(payload))


def _owner(payload: Payload) -> str | None:
    """On whose account the installation is, in lower case; None: on none that has repositories."""
    login = _text(_object(_object(payload, "installation"), "account").get("login"))
    return login.lower() if login else None


def _ids(rows: object) -> frozenset[int]:
    """The ids of a list of objects; none where one of them has none."""
    ids = [_id({"row": row}, "row") for row in rows] if isinstance(rows, list) else []
    return frozenset(filter(None, ids)) if None not in ids else frozenset()


def _observed_run(payload: Payload, repository_id: int) -> Observation:
    run = _required_object(payload, "workflow_run")
    workflow_id = run.get("workflow_id")
    if workflow_id is None:
        workflow_id = _object(payload, "workflow").get("id")
    # Which repository it is, is said once: by the envelope, as it was compared with the monitored.
    whole = {**run, "workflow_id": workflow_id, "repository": {"id": repository_id}}
    return Observation(WORKFLOW_RUNS, workflow_run_row(whole, repository_id))


def _observed_job(payload: Payload, repository_id: int) -> Observation:
    job = _required_object(payload, "workflow_job")
    return Observation(WORKFLOW_JOBS, workflow_job_row(job, repository_id, run_attempt=None))


def _state(payload: Payload) -> RepositoryState | None:
    """What a repository is like, where all of it is told. What is unreadable is no reason for a
    dead letter: what closes must close, and the next poll looks."""
    repository = _object(payload, "repository")
    private = repository.get("private")
    visibility = visibility_of(
        _text(repository.get("visibility")), private if isinstance(private, bool) else None
    )
    default_branch = _text(repository.get("default_branch"))
    if visibility is None or default_branch is None:
        return None
    try:
        changed_at = parse_time(_text(repository.get("updated_at")) or "")
    except (ValueError, OverflowError):
        changed_at = None
    return RepositoryState(changed_at, visibility, default_branch)


def _required_object(payload: Payload, field: str) -> Payload:
    value = payload.get(field)
    if not isinstance(value, dict):
        raise UnreadablePayloadError(f"{field} is missing or no object")
    return value


def _object(payload: Payload, field: str) -> Payload:
    value = payload.get(field)
    return value if isinstance(value, dict) else {}


def _id(payload: Payload, field: str) -> int | None:
    value = _object(payload, field).get("id")
    is_id = isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**63
    return value if is_id else None


def _text(value: object) -> str | None:
    return clean_text(value)[:LONGEST_NAME] or None if isinstance(value, str) else None
