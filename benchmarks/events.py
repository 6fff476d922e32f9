"""What GitHub delivers of runs that go on beside each other: real payloads, moments of now."""

import gzip
import random
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from actionsight.settings import ROOT
from api.webhooks.signature import sign

PAYLOADS = ROOT / "tests/data/webhooks/octokit-webhooks/payloads.jsonl.gz"
EVENTS = ("workflow_run", "workflow_job")
JOBS = 4  # of each run: fifteen events
RUNS = 50  # under way at once: one takes some 20 s at 35 events a second
WORKFLOWS = 40
FIRST_ID = 9_000_000_000


@dataclass(frozen=True)
class Event:
    """A delivery to be."""

    name: str
    action: str
    run_id: int
    body: bytes


def headers_of(delivery_id: str, event: Event, secret: bytes) -> dict[str, str]:
    """What GitHub sends with an event."""
    return {
        "User-Agent": "GitHub-Hookshot/0000000",
        "Content-Type": "application/json",
        "X-GitHub-Event": event.name,
        "X-GitHub-Delivery": delivery_id,
        "X-GitHub-Hook-ID": "1",
        "X-GitHub-Hook-Installation-Target-ID": "1",
        "X-GitHub-Hook-Installation-Target-Type": "organization",
        "X-Hub-Signature-256": sign(secret, event.body).decode(),
    }


def requests_of(events: Iterable[Event], secret: bytes) -> list[bytes]:
    """Whole signed requests, each with a delivery id of its own."""
    requests = []
    for event in events:
        headers = {
            "Host": "127.0.0.1",
            "Accept": "*/*",
            "Content-Length": str(len(event.body)),
            **headers_of(str(uuid.uuid4()), event, secret),
        }
        lines = [f"{name}: {value}" for name, value in headers.items()]
        head = "\r\n".join(["POST /webhooks/github HTTP/1.1", *lines, "", ""])
        requests.append(head.encode() + event.body)
    return requests


def read_deliveries() -> list[tuple[str, bytes]]:
    """Every real payload of a run or a job: its event and its body."""
    with gzip.open(PAYLOADS, "rb") as lines:
        payloads = [orjson.loads(line) for line in lines]
    return [(each["event"], each["body"].encode()) for each in payloads if each["event"] in EVENTS]


def events_of(repository_ids: Sequence[int]) -> Iterator[Event]:
    """Events without end, each stamped when it is taken; the same runs in the same order always."""
    chosen = random.Random(1)  # noqa: S311 an order, not secrets
    templates = _templates()
    run_ids = iter(range(FIRST_ID, 2**63))

    def begin() -> Iterator[Event]:
        run_id = next(run_ids)
        return _events_of_run(templates, repository_ids[run_id % len(repository_ids)], run_id)

    under_way = [begin() for _ in range(RUNS)]
    while True:
        place = chosen.randrange(RUNS)
        event = next(under_way[place], None)
        if event is None:
            under_way[place] = begin()
        else:
            yield event


def _templates() -> dict[tuple[str, str], dict[str, Any]]:
    templates: dict[tuple[str, str], dict[str, Any]] = {}
    for name, body in read_deliveries():
        payload = orjson.loads(body)
        templates.setdefault((name, payload["action"]), payload)
    templates["workflow_run", "in_progress"] = templates["workflow_run", "requested"]
    return templates


def _events_of_run(
    templates: dict[tuple[str, str], dict[str, Any]], repository_id: int, run_id: int
) -> Iterator[Event]:
    created_at = _now()
    started_at: dict[int, str] = {}

    def event(name: str, action: str, /, **changed: Any) -> Event:
        template = templates[name, action]
        payload = {
            **template,
            "action": action,
            "repository": {**template["repository"], "id": repository_id},
            name: {**template[name], **changed},
        }
        return Event(name, action, run_id, orjson.dumps(payload))

    def run(action: str, status: str, conclusion: str | None = None) -> Event:
        return event(
            "workflow_run",
            action,
            id=run_id,
            workflow_id=FIRST_ID + run_id % WORKFLOWS,
            head_sha=f"{run_id:040x}",
            status=status,
            conclusion=conclusion,
            created_at=created_at,
            run_started_at=created_at,
            updated_at=_now(),
        )

    def job(number: int, status: str, conclusion: str | None = None) -> Event:
        return event(
            "workflow_job",
            status,
            id=run_id * JOBS + number,
            run_id=run_id,
            name=f"job {number}",
            head_sha=f"{run_id:040x}",
            status=status,
            conclusion=conclusion,
            created_at=created_at,
            started_at=started_at.get(number),
            completed_at=_now() if conclusion else None,
        )

    yield run("requested", "queued")
    for number in range(JOBS):
        yield job(number, "queued")
    yield run("in_progress", "in_progress")
    for number in range(JOBS):
        started_at[number] = _now()
        yield job(number, "in_progress")
    for number in range(JOBS):
        yield job(number, "completed", "success")
    yield run("completed", "completed", "success")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
