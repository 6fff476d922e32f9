"""All real payloads that we have go from the buffer to where each of them leads."""

import json
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any
from zlib import decompress

import pytest

from tests.ingestion.webhooks.factories import Installation, Recorded, recorded

pytestmark = pytest.mark.integration

# Their rows, made by the drain once and compared with the payloads by hand.
EXPECTED: dict[str, dict[str, Any]] = json.loads(
    Path(__file__).with_name("expected_rows.json").read_text(encoding="utf-8")
)
# Those that take something away, or give cause for a look, by event and action.
APPLIED = {
    "repository": {
        *("privatized", "publicized", "deleted"),
        *("renamed", "transferred", "edited", "archived", "unarchived"),
    },
    "installation": {"deleted", "suspend", "created", "unsuspend"},
    "installation_repositories": {"removed", "added"},
    "github_app_authorization": {"revoked"},
}
# Those of the runs and jobs, and one more.
MONITORED = {186853002, 300029405, 376034443, 445650657, 591427149, 1234567890}
IN_BATCH = ("delivery_id", "batch_id", "received_at", "content_hash")


def expected_outcome(payload: Recorded) -> str:
    if payload.source in EXPECTED:
        return "observed"
    repository = payload.payload.get("repository")
    repository_id = repository["id"] if isinstance(repository, dict) else None
    if repository_id not in {None, *MONITORED}:
        return "not_monitored"
    is_applied = payload.payload.get("action") in APPLIED.get(payload.event, ())
    return "applied" if is_applied else "ignored"


def test_every_recorded_payload_leads_to_what_it_must_and_a_bad_one_stops_none(
    webhooks: Installation,
) -> None:
    webhooks.monitor(*MONITORED)
    payloads = list(recorded())
    assert len(payloads) == 280
    for number, payload in enumerate(payloads):
        if number == 100:
            webhooks.send("workflow_run", b"\x00 no JSON", "bad")
        webhooks.send(payload.event, payload.body, payload.source)

    result = webhooks.drain()

    assert (result.event_count, result.new_count, result.duplicate_count) == (281, 280, 0)
    assert (result.run_count, result.job_count, result.dead_letter_count) == (4, 10, 1)
    assert list(webhooks.dead_letters()) == ["bad"]
    assert webhooks.buffer.freshness().event_count == 0
    ledger = webhooks.ledger()
    assert {source: row["outcome"] for source, row in ledger.items()} == {
        payload.source: expected_outcome(payload) for payload in payloads
    }
    assert Counter(row["outcome"] for row in ledger.values()) == {
        "observed": 14,
        "applied": 12,
        "ignored": 215,
        "not_monitored": 39,
    }
    assert sum(result.outcomes.values()) == 280
    assert result.outcomes["workflow_job", "observed"] == 10
    for payload in payloads:
        row = ledger[payload.source]
        body = row["payload"] and decompress(row["payload"])
        assert body == (None if row["outcome"] == "not_monitored" else payload.body)
        assert row["event"] == payload.event
        assert row["action"] == payload.payload.get("action")
        installation = payload.payload.get("installation") or {}
        assert row["installation_id"] == installation.get("id")


def test_every_recorded_run_and_job_gives_its_exact_row(webhooks: Installation) -> None:
    webhooks.monitor(*MONITORED)
    for payload in recorded():
        webhooks.send(payload.event, payload.body, payload.source)
    webhooks.drain()
    rows = webhooks.observed("webhook_runs") | webhooks.observed("webhook_jobs")
    plain = {
        source: {name: _plain(value) for name, value in row.items() if name not in IN_BATCH}
        for source, row in rows.items()
    }
    assert plain == EXPECTED


def test_made_private_closes_the_repository_and_made_public_leaves_that_to_the_poll(
    webhooks: Installation,
) -> None:
    webhooks.monitor(*MONITORED)
    payloads = {payload.source.partition("/")[2]: payload for payload in recorded()}
    private = payloads["repository/privatized.payload.json"]
    public = payloads["repository/publicized.payload.json"]
    repository_id = private.payload["repository"]["id"]
    assert repository_id == public.payload["repository"]["id"]
    assert webhooks.repository(repository_id)["visibility"] == "public"
    webhooks.send(private.event, private.body)
    webhooks.send(public.event, public.body)
    webhooks.drain()
    assert webhooks.repository(repository_id)["visibility"] == "private"
    assert webhooks.repository(repository_id)["newest_observation_at"] is None


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
