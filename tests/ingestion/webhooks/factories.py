"""An installation that gets webhooks: what a receiver appends, and what must come of it."""

import gzip
import json
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString

from psycopg import sql
from psycopg.rows import dict_row

from actionsight.database import connect
from actionsight.event_buffer import EventBuffer
from actionsight.settings import Settings
from ingestion.webhooks.drain import DrainResult, drain

DATA = Path(__file__).resolve().parents[2] / "data" / "webhooks"
PATIENCE_SECONDS = 30
REPOSITORY_ID = 4_711


@dataclass(frozen=True)
class Recorded:
    """A real payload: where it comes from, its event, its text."""

    source: str
    event: str
    body: bytes

    @property
    def payload(self) -> dict[str, Any]:
        payload: dict[str, Any] = json.loads(self.body)
        return payload


def recorded() -> Iterator[Recorded]:
    """All recorded payloads."""
    for path in sorted(DATA.glob("*/payloads.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                entry = json.loads(line)
                source = f"{path.parent.name}/{entry['file']}"
                yield Recorded(source, entry["event"], entry["body"].encode())


@dataclass
class Installation:
    """A database and a buffer, and what is done with them."""

    settings: Settings
    buffer: EventBuffer

    @property
    def database_url(self) -> str:
        assert self.settings.database_url is not None
        return self.settings.database_url

    def monitor(self, *repository_ids: int) -> None:
        """Monitor repositories, public ones."""
        for repository_id in repository_ids:
            self.execute(
                """
                insert into app.repositories (repository_id, full_name, visibility)
                values (%s, %s, 'public')
                """,
                repository_id,
                f"octo/{repository_id}",
            )

    def send(self, event: str, body: object, delivery_id: str | None = None, **headers: str) -> str:
        """Append an event as the receiver does, a payload as JSON; give the delivery's id."""
        delivery_id = delivery_id or str(uuid.uuid4())
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        self.buffer.append(
            {
                "X-GitHub-Event": event,
                "X-GitHub-Delivery": delivery_id,
                "Content-Type": "application/json",
                **named,
            },
            raw,
        )
        return delivery_id

    def drain(self, **options: Any) -> DrainResult:
        """One drain."""
        return drain(self.database_url, self.buffer, **options)

    def query(
        self, statement: LiteralString | sql.Composed, *parameters: object
    ) -> list[dict[str, Any]]:
        """Rows of a query."""
        with (
            connect(self.database_url, autocommit=True) as connection,
            connection.cursor(row_factory=dict_row) as cursor,
        ):
            return cursor.execute(statement, parameters).fetchall()

    def execute(self, statement: LiteralString, *parameters: object) -> None:
        """A statement that gives no rows."""
        with connect(self.database_url, autocommit=True) as connection:
            connection.execute(statement, parameters)

    def ledger(self) -> dict[str, dict[str, Any]]:
        """The ledger by delivery id."""
        return {row["delivery_id"]: row for row in self.query("select * from raw.webhook_events")}

    def dead_letters(self) -> dict[str, dict[str, Any]]:
        """The dead letters by delivery id."""
        rows = self.query("select * from raw.webhook_dead_letters")
        return {row["delivery_id"]: row for row in rows}

    def observed(self, table: str) -> dict[str, dict[str, Any]]:
        """The rows of raw.webhook_runs or webhook_jobs by delivery id."""
        rows = self.query(sql.SQL("select * from {}").format(sql.Identifier("raw", table)))
        return {row["delivery_id"]: row for row in rows}

    def repository(self, repository_id: int = REPOSITORY_ID) -> dict[str, Any]:
        """A row of app.repositories."""
        [row] = self.query("select * from app.repositories where repository_id = %s", repository_id)
        return row

    def waiting(self) -> list[dict[str, Any]]:
        """The sessions of the database that wait for a lock."""
        return self.query(
            """
            select wait_event from pg_stat_activity
            where datname = current_database() and wait_event_type = 'Lock'
            """
        )

    def batches(self) -> list[dict[str, Any]]:
        """The rows of raw.webhook_batches, oldest first."""
        return self.query("select * from raw.webhook_batches order by batch_id")


def run_payload(
    run_id: int = 1, *, repository_id: int = REPOSITORY_ID, **fields: Any
) -> dict[str, Any]:
    """A `workflow_run` payload, no larger than it must be."""
    run = {"id": run_id, "run_attempt": 1, "workflow_id": 9, "status": "in_progress", **fields}
    return {"action": "in_progress", "workflow_run": run, "repository": {"id": repository_id}}


def job_payload(
    job_id: int = 1, *, repository_id: int = REPOSITORY_ID, **fields: Any
) -> dict[str, Any]:
    """A `workflow_job` payload, no larger than it must be."""
    job = {"id": job_id, "run_id": 1, "status": "queued", "labels": ["linux"], **fields}
    return {"action": "queued", "workflow_job": job, "repository": {"id": repository_id}}


def counts(result: DrainResult) -> tuple[int, int, int, int]:
    """Events, of them new, known; deliveries that are unreadable."""
    return (
        result.event_count,
        result.new_count,
        result.duplicate_count,
        result.dead_letter_count,
    )


def wait_until(condition: Callable[[], object]) -> None:
    """Return once something is true.

    Raises:
        TimeoutError: it has not become so for long.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not after {PATIENCE_SECONDS} s")
        time.sleep(0.02)
