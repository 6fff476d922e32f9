"""`actionsight sync` drains what webhooks brought; dead letters can be seen and replayed."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from actionsight.event_buffer import EventBuffer
from tests.end_to_end.conftest import Installation

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(300)]

BITCOIN = 1_181_927


@pytest.fixture
def buffer(installation: Installation) -> Iterator[EventBuffer]:
    made = EventBuffer(installation.more["ACTIONSIGHT_REDIS_URL"])
    yield made
    made.close()


def append(buffer: EventBuffer, delivery_id: str, run: dict[str, Any]) -> None:
    """Put a workflow_run event into the buffer, as the receiver does."""
    payload = {"action": "completed", "workflow_run": run, "repository": {"id": BITCOIN}}
    headers = {
        "X-GitHub-Event": "workflow_run",
        "X-GitHub-Delivery": delivery_id,
        "Content-Type": "application/json",
    }
    buffer.append(headers, json.dumps(payload).encode())


@pytest.mark.thorough
def test_a_sync_takes_in_webhooks_and_shows_what_it_could_not_read(
    installation: Installation, buffer: EventBuffer
) -> None:
    installation.run("sync")
    run = {
        "id": 9_000_000_002,
        "run_attempt": 1,
        "workflow_id": 9_000_002,
        "status": "completed",
        "conclusion": "success",
        "created_at": "2026-11-20T10:00:00Z",
    }
    append(buffer, "readable", run)
    append(buffer, "unreadable", {"conclusion": "success"})

    assert "Everything" in installation.run("sync")
    assert installation.rows(
        "select conclusion from marts.workflow_runs where run_id = 9000000002"
    ) == [("success",)]
    assert buffer.freshness().event_count == 0

    listed = installation.run("dead-letters", "list")
    assert "unreadable" in listed
    assert "id is missing" in listed
    assert '"conclusion"' in installation.run("dead-letters", "show", "unreadable")
    with installation.start("dead-letters", "replay") as process:
        process.communicate()
    assert process.returncode == 1
    installation.run("dead-letters", "discard", "unreadable")
    assert "unreadable" not in installation.run("dead-letters", "list")

    installation.run("repositories", "remove", "bitcoin/bitcoin", "--purge")
    assert set(installation.marts()["jobs"]) == set()
    assert installation.rows("select repository_id from raw.workflow_runs") == []
    assert installation.rows("select repository_id from raw.webhook_events") == []
    assert "repository.purged" in installation.run("audit")
