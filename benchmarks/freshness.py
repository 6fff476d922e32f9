"""How long until a webhook shows: from its 202 to `GET /workflows/{id}`, under all of `make up`.

    .venv/bin/python -m benchmarks.freshness [--events 50]

Starts the demonstration in a folder of its own, waits for its first numbers, then delivers signed
events one by one at random moments (real `workflow_run` payloads, each with a workflow of its own),
while the demonstration's own polls, webhooks and builds go on. For every event it measures

    202 → drained (its ledger row committed) → run started (the build that took it in) → visible

The bound that is promised is 30 s from 202 to visible.
"""

import argparse
import hashlib
import hmac
import http.client
import json
import os
import random
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from actionsight.database import connect
from actionsight.local import PostgresqlServer
from actionsight.migrations import with_dagster_database
from actionsight.settings import ROOT
from benchmarks.receiver import read_deliveries

REPOSITORY_ID = 1_181_927
PATIENCE_SECONDS = 180
PAUSE_SECONDS = (0.5, 12.0)
SLOWEST = 5


class Installation:
    """A demonstration that runs while it is measured."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.api_port, self.dagster_port = _free_ports()
        self._token = ""

    @contextmanager
    def up(self) -> Generator[None]:
        """Everything of `actionsight up`, until the context ends."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("ACTIONSIGHT_")}
        environment = {
            **inherited,
            "ACTIONSIGHT_DATA_DIR": str(self.folder),
            "ACTIONSIGHT_API_PORT": str(self.api_port),
            "ACTIONSIGHT_DAGSTER_PORT": str(self.dagster_port),
        }
        command = [str(Path(sys.executable).with_name("actionsight")), "up"]
        with subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if found := re.search(r"Bearer (\S+)\"", line):
                    self._token = found[1]
                if line.startswith("Ctrl-C"):
                    break
            try:
                yield
            finally:
                process.send_signal(signal.SIGINT)
                process.communicate()

    @property
    def database_url(self) -> str:
        """Where its tables are."""
        return str(PostgresqlServer(self.folder / "demonstration" / "postgres").running_url())

    def get(self, path: str) -> tuple[int, Any]:
        """Status and body of an answer."""
        return self._ask("GET", path, None, {"Authorization": f"Bearer {self._token}"})

    def deliver(self, delivery_id: str, payload: dict[str, Any]) -> None:
        """Send a workflow_run event, signed; returns with the 202."""
        secret = (self.folder / "demonstration" / "webhook-secret").read_text()
        body = json.dumps(payload).encode()
        headers = {
            "Content-Type": "application/json",
            "X-GitHub-Event": "workflow_run",
            "X-GitHub-Delivery": delivery_id,
            "X-Hub-Signature-256": "sha256="
            + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest(),
        }
        status, _ = self._ask("POST", "/webhooks/github", body, headers)
        assert status == http.HTTPStatus.ACCEPTED, status

    def _ask(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.api_port, timeout=30)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=50, help="how many to deliver (50)")
    count = parser.parse_args().events
    with tempfile.TemporaryDirectory(prefix="actionsight-live-") as folder:
        Path(folder).chmod(0o755)
        installation = Installation(Path(folder))
        with installation.up():
            _wait_for_first_numbers(installation)
            accepted, visible = _deliver_and_watch(installation, count)
            _report(installation, accepted, visible)


def _wait_for_first_numbers(installation: Installation) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        status, body = installation.get("/stats")
        if status == http.HTTPStatus.OK and body["data"]["run_count"] > 100:
            return
        time.sleep(0.5)
    raise SystemExit("the demonstration shows no numbers")


def _deliver_and_watch(
    installation: Installation, count: int
) -> tuple[dict[str, datetime], dict[str, datetime]]:
    """When each event (by delivery id) was accepted, and when its workflow was served first."""
    chosen = random.Random(1)  # noqa: S311 moments, not secrets
    template = next(
        json.loads(body) for event, body in read_deliveries() if event == "workflow_run"
    )
    accepted: dict[str, datetime] = {}
    visible: dict[str, datetime] = {}
    waiting: dict[str, int] = {}
    next_at = time.monotonic()
    while len(visible) < count:
        if len(accepted) < count and time.monotonic() >= next_at:
            delivery_id, workflow_id = str(uuid.uuid4()), 9_000_000 + len(accepted)
            installation.deliver(delivery_id, _payload(template, workflow_id))
            accepted[delivery_id] = datetime.now(UTC)
            waiting[delivery_id] = workflow_id
            next_at = time.monotonic() + chosen.uniform(*PAUSE_SECONDS)
        for delivery_id, workflow_id in list(waiting.items()):
            status, _ = installation.get(f"/workflows/{workflow_id}")
            if status == http.HTTPStatus.OK:
                visible[delivery_id] = datetime.now(UTC)
                del waiting[delivery_id]
            elif (datetime.now(UTC) - accepted[delivery_id]).total_seconds() > PATIENCE_SECONDS:
                raise SystemExit(f"workflow {workflow_id} does not show")
        time.sleep(0.1)
    return accepted, visible


def _payload(template: dict[str, Any], workflow_id: int) -> dict[str, Any]:
    """The real payload, of a workflow and a run of its own in a monitored repository."""
    repository = {**template["repository"], "id": REPOSITORY_ID}
    run = {
        **template["workflow_run"],
        "id": 9_000_000_000 + workflow_id,
        "workflow_id": workflow_id,
        "repository": repository,
    }
    return {**template, "workflow_run": run, "repository": repository}


def _report(
    installation: Installation, accepted: dict[str, datetime], visible: dict[str, datetime]
) -> None:
    drained = _drained(installation.database_url, list(accepted))
    starts = _build_starts(installation.database_url)
    stages: dict[str, list[float]] = {
        "202 → drained": [],
        "drained → build's run starts": [],
        "run starts → visible": [],
        "202 → visible": [],
    }
    for delivery_id, moment in accepted.items():
        started = max(start for start in starts if start <= visible[delivery_id])
        for name, seconds in zip(
            stages,
            (
                (drained[delivery_id] - moment).total_seconds(),
                (started - drained[delivery_id]).total_seconds(),
                (visible[delivery_id] - started).total_seconds(),
                (visible[delivery_id] - moment).total_seconds(),
            ),
            strict=True,
        ):
            stages[name].append(seconds)
    print(f"{len(accepted)} events, seconds")
    print(f"{'':<30}{'p50':>8}{'p90':>8}{'max':>8}")
    for name, values in stages.items():
        p90 = statistics.quantiles(values, n=10, method="inclusive")[-1]
        print(f"{name:<30}{statistics.median(values):>8.1f}{p90:>8.1f}{max(values):>8.1f}")

    print("\nthe slowest, accepted at (UTC):")
    by_length = sorted(accepted, key=lambda each: visible[each] - accepted[each], reverse=True)
    for delivery_id in by_length[:SLOWEST]:
        moment = accepted[delivery_id]
        print(
            f"{moment:%H:%M:%S}  drained after"
            f" {(drained[delivery_id] - moment).total_seconds():.1f} s, visible after"
            f" {(visible[delivery_id] - moment).total_seconds():.1f} s"
        )
    print("runs of builds began at: " + ", ".join(f"{start:%H:%M:%S}" for start in sorted(starts)))


def _drained(database_url: str, delivery_ids: list[str]) -> dict[str, datetime]:
    with connect(database_url) as connection:
        rows = connection.execute(
            """
            select delivery_id, drained_at
            from raw.webhook_events
            inner join raw.webhook_batches using (batch_id)
            where delivery_id = any(%s)
            """,
            [delivery_ids],
        ).fetchall()
    return dict(rows)


def _build_starts(database_url: str) -> list[datetime]:
    """When the process of each build's run began to work."""
    with psycopg.connect(with_dagster_database(database_url)) as connection:
        rows = connection.execute(
            "select start_time from runs where pipeline_name = 'build' and start_time is not null"
        ).fetchall()
    return [datetime.fromtimestamp(start, UTC) for (start,) in rows]


def _free_ports() -> tuple[int, int]:
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        second.bind(("127.0.0.1", 0))
        return int(first.getsockname()[1]), int(second.getsockname()[1])


if __name__ == "__main__":
    main()
