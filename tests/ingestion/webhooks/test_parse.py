"""What one delivery leads to, whatever is in it; nothing here needs a service."""

import json
import zlib
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actionsight.event_buffer import Event
from ingestion.github.schema import WORKFLOW_JOBS, WORKFLOW_RUNS
from ingestion.webhooks.delivery import Delivery, from_event
from ingestion.webhooks.parse import (
    AccessRevocation,
    Effect,
    ParsedDelivery,
    RepositoryState,
    UnreadableEventError,
    parse_delivery,
)
from tests.ingestion.webhooks.factories import REPOSITORY_ID, job_payload, run_payload

pytestmark = pytest.mark.unit

RECEIVED_AT = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


def delivery(event: str, body: object, content_type: str = JSON) -> Delivery:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"content-type": content_type}
    return Delivery("d-1", event, RECEIVED_AT, headers, zlib.compress(raw))


def parsed(event: str, body: object, content_type: str = JSON) -> ParsedDelivery:
    return parse_delivery(delivery(event, body, content_type), {REPOSITORY_ID})


def row(event: str, body: object) -> dict[str, Any]:
    observation = parsed(event, body).observation
    assert observation is not None
    return observation.row


def test_a_run_and_a_job_are_rows_of_polling_s_form() -> None:
    run = parsed("workflow_run", {**run_payload(7), "installation": {"id": 5}})
    assert (run.outcome, run.action, run.repository_id, run.installation_id) == (
        "observed",
        "in_progress",
        REPOSITORY_ID,
        5,
    )
    assert run.observation is not None
    assert run.observation.table is WORKFLOW_RUNS
    assert (run.observation.row["run_id"], run.observation.row["workflow_id"]) == (7, 9)
    job = parsed("workflow_job", job_payload(8, run_attempt=2))
    assert job.observation is not None
    assert job.observation.table is WORKFLOW_JOBS
    assert (job.observation.row["job_id"], job.observation.row["run_attempt"]) == (8, 2)
    assert job.observation.row["repository_id"] == REPOSITORY_ID


def test_the_status_is_the_object_s_whatever_the_action_says() -> None:
    payload = run_payload(status="completed", conclusion="action_required")
    assert row("workflow_run", {**payload, "action": "requested"})["status"] == "completed"
    waiting = job_payload(status="waiting")
    assert row("workflow_job", {**waiting, "action": "queued"})["status"] == "waiting"


def test_what_old_payloads_lack_is_null_and_so_is_the_attempt_of_a_job() -> None:
    job = row("workflow_job", job_payload())
    lacking = ("run_attempt", "created_at", "workflow_name", "head_branch", "conclusion")
    assert [job[name] for name in lacking] == [None] * 5
    run = run_payload()
    del run["workflow_run"]["run_attempt"]
    assert row("workflow_run", run)["run_attempt"] == 1


def test_the_workflow_is_taken_from_beside_the_run_where_the_run_does_not_name_it() -> None:
    payload = {**run_payload(workflow_id=None), "workflow": {"id": 77}}
    assert row("workflow_run", payload)["workflow_id"] == 77


def test_the_repository_is_the_envelope_s_whatever_the_run_says() -> None:
    payload = run_payload(repository={"id": 666})
    assert row("workflow_run", payload)["repository_id"] == REPOSITORY_ID


OF_IT = AccessRevocation(frozenset({REPOSITORY_ID}))
PRIVATE = Effect(makes_private=True, revocation=OF_IT)
OF_ALL = Effect(revocation=AccessRevocation(owner="octo"))
CHANGED = Effect(is_to_be_looked_at=True)
GROWN = Effect(grows_owner="octo")


@pytest.mark.parametrize(
    ("event", "action", "effect"),
    [
        ("repository", "privatized", PRIVATE),
        ("repository", "deleted", PRIVATE),
        ("repository", "publicized", Effect(is_to_be_looked_at=True, revocation=OF_IT)),
        ("repository", "renamed", CHANGED),
        ("repository", "transferred", CHANGED),
        ("repository", "archived", CHANGED),
        ("repository", "created", None),
        ("installation", "deleted", OF_ALL),
        ("installation", "suspend", OF_ALL),
        ("installation", "unsuspend", GROWN),
        ("installation", "created", GROWN),
        ("installation", "new_permissions_accepted", None),
        ("installation_repositories", "removed", OF_ALL),
        ("installation_repositories", "added", GROWN),
        ("github_app_authorization", "revoked", Effect(signed_out_user_id=5)),
        ("github_app_authorization", "granted", None),
    ],
)
def test_what_takes_something_away_is_applied_and_what_gives_is_left_to_asking(
    event: str, action: str, effect: Effect | None
) -> None:
    payload: dict[str, Any] = {"action": action, "sender": {"id": 5}}
    if event.startswith("installation"):
        payload["installation"] = {"id": 3, "account": {"login": "Octo"}}
    if event == "repository":
        payload["repository"] = {"id": REPOSITORY_ID}
    result = parsed(event, payload)
    assert result.effect == effect
    assert result.outcome == ("ignored" if effect is None else "applied")


WHOLE = {
    "id": REPOSITORY_ID,
    "private": True,
    "visibility": "private",
    "default_branch": "main",
    "updated_at": "2026-03-01T10:00:00Z",
}
CHANGED_AT = datetime(2026, 3, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, RepositoryState(CHANGED_AT, "private", "main")),
        ({"visibility": "internal"}, RepositoryState(CHANGED_AT, "internal", "main")),
        # As in a recorded payload: what contradicts itself is closed.
        ({"visibility": "public"}, RepositoryState(CHANGED_AT, "private", "main")),
        ({"visibility": None}, RepositoryState(CHANGED_AT, "private", "main")),
        (
            {"visibility": None, "private": False},
            RepositoryState(CHANGED_AT, "public", "main"),
        ),
        ({"updated_at": None}, RepositoryState(None, "private", "main")),
        ({"updated_at": "yesterday"}, RepositoryState(None, "private", "main")),
        ({"default_branch": None}, None),
        ({"default_branch": 7}, None),
        ({"visibility": 7, "private": "yes"}, None),
    ],
)
def test_what_a_repository_is_like_is_told_whole_or_not_and_stops_no_effect(
    changes: dict[str, Any], state: RepositoryState | None
) -> None:
    payload = {"action": "privatized", "repository": {**WHOLE, **changes}}
    result = parsed("repository", payload)
    assert (result.state, result.effect) == (state, PRIVATE)
    assert parsed("workflow_run", {**run_payload(), "repository": WHOLE}).state is None


def test_a_field_that_nobody_knows_yet_keeps_nothing_open() -> None:
    payload = {"action": "privatized", "repository": {"id": REPOSITORY_ID}, "of_tomorrow": {}}
    assert (
        parsed("repository", payload).effect
        == parsed(
            "repository", {"action": "privatized", "repository": {"id": REPOSITORY_ID}}
        ).effect
    )


@pytest.mark.parametrize(
    ("event", "action"),
    [("repository", "deleted"), ("installation", "deleted"), ("repository", "renamed")],
)
def test_a_body_under_the_name_of_another_event_has_no_effect(event: str, action: str) -> None:
    """The name is in a header, which nobody signed."""
    star = {"action": action, "starred_at": None, "repository": {"id": REPOSITORY_ID}}
    with pytest.raises(UnreadableEventError, match="'starred_at' belongs to another event"):
        parsed(event, star)


def test_what_happens_to_a_repository_that_is_not_monitored_takes_nothing() -> None:
    for action in ("privatized", "publicized", "deleted"):
        result = parsed("repository", {"action": action, "repository": {"id": 12}})
        assert (result.outcome, result.effect) == ("not_monitored", None)


@pytest.mark.parametrize(
    ("event", "body"),
    [
        ("ping", {"zen": "Keep it simple."}),
        ("deployment", {**run_payload(), "workflow": {"id": 9}}),
        ("an event of next year", run_payload()),
        ("push", {"repository": {"id": "no number"}, "installation": 5, "action": ["x"]}),
        ("push", {"repository": {"id": 2**63}, "installation": {"id": True}, "action": ""}),
    ],
)
def test_everything_else_leads_to_nothing(event: str, body: object) -> None:
    result = parsed(event, body)
    assert (result.outcome, result.observation) == ("ignored", None)


def test_of_what_is_not_monitored_only_whose_it_is_is_read() -> None:
    elsewhere = {"action": "queued", "workflow_job": "unreadable", "repository": {"id": 12}}
    result = parsed("workflow_job", elsewhere)
    assert result == ParsedDelivery("not_monitored", "queued", 12, None)


@pytest.mark.parametrize("content_type", [FORM, f"{FORM}; charset=utf-8", FORM.upper()])
def test_a_form_is_read_as_the_json_that_it_carries(content_type: str) -> None:
    text = json.dumps(run_payload(name="100 % & ü+"), ensure_ascii=False)
    body = urlencode({"payload": text}).encode()
    result = parsed("workflow_run", body, content_type)
    assert result.observation is not None
    assert result.observation.row["name"] == "100 % & ü+"


@pytest.mark.parametrize(
    ("body", "content_type", "reason"),
    [
        (b"", JSON, "the body is not JSON"),
        (b"\xff\xfe\x00", JSON, "the body is not JSON"),
        (b'{"a": 1', JSON, "the body is not JSON"),
        (b"payload=%7B%7D", JSON, "the body is not JSON"),
        (b"[1]", JSON, "the body is JSON, but no object"),
        (b"null", JSON, "the body is JSON, but no object"),
        (b"[" * 100_000, JSON, "the body is n"),
        (b'{"a":' * 100_000, JSON, "the body is n"),
        (b"9" * 100_000, JSON, "the body is n"),
        (b"{}", FORM, "the form has no field payload"),
        (b"", FORM, "the form has no field payload"),
        (b"a=1&" * 100 + b"payload=%7B%7D", FORM, "the body is not the form"),
        (b"\xff=1", FORM, "the body is not the form"),
        (b"payload=%FF", FORM, "the body is not the form"),
        (b"payload=no", FORM, "the body is not JSON"),
    ],
)
def test_a_body_that_is_no_payload_is_unreadable_with_a_reason(
    body: bytes, content_type: str, reason: str
) -> None:
    with pytest.raises(UnreadableEventError, match=reason):
        parsed("ping", body, content_type)


def test_a_body_that_cannot_be_decompressed_is_unreadable() -> None:
    broken = Delivery("d-1", "ping", RECEIVED_AT, {}, b"no zlib")
    with pytest.raises(UnreadableEventError, match="cannot be decompressed"):
        parse_delivery(broken, ())


@pytest.mark.parametrize(
    ("event", "body", "reason"),
    [
        ("workflow_run", {}, "repository.id is missing"),
        ("workflow_run", {**run_payload(), "repository": {"id": "7"}}, "repository.id is missing"),
        ("workflow_job", {**job_payload(), "repository": None}, "repository.id is missing"),
        ("repository", {"action": "privatized"}, "repository.id is missing"),
        ("repository", {"action": "publicized"}, "repository.id is missing"),
        ("github_app_authorization", {"action": "revoked"}, "sender.id is missing"),
        ("workflow_run", {**run_payload(), "workflow_run": None}, "workflow_run is missing"),
        ("workflow_job", {**job_payload(), "workflow_job": []}, "workflow_job is missing"),
        ("workflow_run", run_payload(id=None), "id is missing"),
        ("workflow_run", run_payload(workflow_id=None), "workflow_id is missing"),
        ("workflow_job", job_payload(run_id=None), "run_id is missing"),
        ("workflow_run", run_payload(id=2**63), "id is too great"),
        ("workflow_run", run_payload(id=10**30), "id is not a whole number"),
        ("workflow_job", job_payload(id=True), "id is not a whole number"),
        ("workflow_job", job_payload(started_at="soon"), "started_at is not a time"),
        ("workflow_job", job_payload(name={"a": 1}), "name is not text"),
    ],
)
def test_a_run_or_a_job_without_what_it_needs_is_unreadable(
    event: str, body: object, reason: str
) -> None:
    with pytest.raises(UnreadableEventError, match=f"{event}: {reason}"):
        parsed(event, body)


def test_a_reason_quotes_no_long_value() -> None:
    with pytest.raises(UnreadableEventError) as caught:
        parsed("workflow_run", run_payload(id="secret" * 100))
    assert len(str(caught.value)) < 200


def test_nul_characters_and_lone_surrogates_are_left_out() -> None:
    body = json.dumps(run_payload(display_title="a\0b \ud83d")).encode()
    assert b"\\ud83d" in body
    assert row("workflow_run", body)["display_title"] == "ab "
    payload = {**run_payload(), "action": "re\0quested"}
    assert parsed("workflow_run", payload).action == "requested"


def test_headers_can_hold_anything() -> None:
    headers: Any = {
        "x-github-event": "pi\0ng" * 100,
        "x-github-delivery": "x" * 5_000,
        "x-\ud800": ["a list"],
    }
    made = from_event(Event("17-1", RECEIVED_AT, headers, b""))
    assert made.delivery_id == "entry 17-1"
    assert made.event == ("ping" * 100)[:100]
    assert made.headers["x-"] == "['a list']"
    assert from_event(Event("17-2", RECEIVED_AT, {}, b"")).delivery_id == "entry 17-2"
    blank = from_event(Event("17-3", RECEIVED_AT, {"x-github-delivery": "\0"}, b""))
    assert (blank.delivery_id, blank.event) == ("entry 17-3", "unknown")


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=True)
    | st.text("a9\0ü\ud83d-", max_size=5)
)
VALUES = SCALARS | st.lists(SCALARS | st.dictionaries(st.just("name"), SCALARS), max_size=3)
IDS = ["id", "run_id", "run_attempt", "workflow_id", "runner_id"]
OBJECTS = ["actor", "head_repository", "pull_requests", "referenced_workflows", "labels", "steps"]
FIELDS = st.sampled_from([*IDS, *OBJECTS, "name", "created_at"])


@settings(deadline=None)
@given(st.sampled_from(["workflow_run", "workflow_job"]), st.dictionaries(FIELDS, VALUES))
def test_any_object_is_a_row_or_unreadable(event: str, fields: dict[str, Any]) -> None:
    payload = run_payload(**fields) if event == "workflow_run" else job_payload(**fields)
    try:
        result = parsed(event, payload)
    except UnreadableEventError as error:
        assert len(str(error)) < 250
        return
    assert result.observation is not None
    for value in result.observation.row.values():
        if isinstance(value, str):
            assert "\0" not in value
            assert value.encode()


@settings(deadline=None)
@given(st.binary(max_size=200), st.sampled_from([JSON, FORM, ""]))
def test_any_bytes_are_a_payload_or_unreadable(body: bytes, content_type: str) -> None:
    for raw in (body, b"payload=" + quote_plus(body).encode()):
        try:
            assert parsed("ping", raw, content_type).outcome == "ignored"
        except UnreadableEventError as error:
            assert len(str(error)) < 100
