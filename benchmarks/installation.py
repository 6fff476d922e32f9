"""The demonstration under all of `make up`, which a benchmark measures while it runs."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil  # pyrefly: ignore[untyped-import]

from actionsight.database import connect
from actionsight.local import PostgresqlServer, ValkeyServer, free_port
from actionsight.local.valkey import EVENT_BUFFER
from actionsight.migrations import with_dagster_database
from actionsight.settings import ROOT
from benchmarks.events import Event, headers_of

PATIENCE_SECONDS = 180
# Monitored by the demonstration, beside others.
REPOSITORY_IDS = (1_181_927,)


class Installation:
    """A demonstration that runs.

    Attributes:
        process: the first of its processes, which started all others.
        secret: by which its webhooks are signed.
        receiver_port: where they are taken.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._api_port, self._dagster_port, self.receiver_port = (free_port() for _ in range(3))
        self._token = ""
        self.secret = b""
        self.process = psutil.Process()

    @contextmanager
    def up(self) -> Generator[None]:
        """Everything of `actionsight up`, from its first build until the context ends."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("ACTIONSIGHT_")}
        environment = {
            **inherited,
            "ACTIONSIGHT_DATA_DIR": str(self._folder),
            "ACTIONSIGHT_API_PORT": str(self._api_port),
            "ACTIONSIGHT_DAGSTER_PORT": str(self._dagster_port),
            "ACTIONSIGHT_RECEIVER_PORT": str(self.receiver_port),
        }
        command = [str(Path(sys.executable).with_name("actionsight")), "up"]
        with subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
        ) as process:
            for line in process.stdout or ():
                if found := re.search(r"Bearer (\S+)\"", line):
                    self._token = found[1]
                if line.startswith("Ctrl-C"):
                    break
            self.process = psutil.Process(process.pid)
            self.secret = (self._folder / "demonstration" / "webhook-secret").read_bytes()
            try:
                self._wait_for_first_build()
                yield
            finally:
                process.send_signal(signal.SIGINT)
                process.communicate()

    @property
    def database_url(self) -> str:
        """Where its tables are."""
        return str(PostgresqlServer(self._folder / "demonstration" / "postgres").running_url())

    @property
    def redis_url(self) -> str:
        """Where its webhooks wait."""
        folder = self._folder / "demonstration" / "event-buffer"
        return str(ValkeyServer(folder, "the event buffer", EVENT_BUFFER).running_url())

    def get(self, path: str) -> tuple[int, Any]:
        """Status and body of the API's answer."""
        headers = {"Authorization": f"Bearer {self._token}"}
        return _ask(self._api_port, "GET", path, None, headers)

    def deliver(self, delivery_id: str, event: Event) -> None:
        """Send an event, signed; returns with the 202."""
        headers = headers_of(delivery_id, event, self.secret)
        status, _ = _ask(self.receiver_port, "POST", "/webhooks/github", event.body, headers)
        assert status == http.HTTPStatus.ACCEPTED, status

    def _wait_for_first_build(self) -> None:
        """With which views and tests come: builds that follow are of what is new."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        with connect(with_dagster_database(self.database_url), autocommit=True) as connection:
            while time.monotonic() < deadline:
                ended = connection.execute(
                    "select from runs where pipeline_name = 'full_build' and status = 'SUCCESS'"
                )
                if ended.fetchone() is not None:
                    return
                time.sleep(0.5)
        raise SystemExit("the demonstration is not built")


@contextmanager
def installation() -> Generator[Installation]:
    """One in a folder of its own, until the context ends."""
    with tempfile.TemporaryDirectory(prefix="actionsight-live-") as name:
        Path(name).chmod(0o755)
        made = Installation(Path(name))
        with made.up():
            yield made


def _ask(
    port: int, method: str, path: str, body: bytes | None, headers: dict[str, str]
) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()
