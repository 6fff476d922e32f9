"""An installation without a credential, as `make up` makes it on a bare machine."""

import hashlib
import hmac
import json
import os
import re
import signal
import subprocess
import urllib.error
import urllib.request
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from actionsight.settings import ROOT
from tests.end_to_end.conftest import ACTIONSIGHT
from tests.support.ports import free_port

ASSETS = """
{ assetNodes { assetKey { path } assetMaterializations(limit: 1) { timestamp }
    assetChecksOrError { ... on AssetChecks { checks { name executionForLatestMaterialization {
        status } } } } } }
"""
RUNS = "{ runsOrError { ... on Runs { results { runId status } } } }"


class Demonstration:
    """An installation without a credential, in a folder and on ports of its own."""

    def __init__(self, folder: Path, receiver_port: int | None = None) -> None:
        self.folder = folder
        self._receiver = {"ACTIONSIGHT_RECEIVER_PORT": str(receiver_port)} if receiver_port else {}
        self.api_port, self.dagster_port = free_port(), free_port()
        self.output = ""
        self.pid = 0

    @property
    def data_dir(self) -> Path:
        """Where its files are; what `up` decides for the demonstration."""
        return self.folder / "demonstration"

    @property
    def receiver_port(self) -> int:
        """The port that `up` says webhooks are taken at."""
        [port] = set(re.findall(r"http://127\.0\.0\.1:(\d+)/webhooks/github", self.output))
        return int(port)

    @property
    def token(self) -> str:
        """The token that `up` printed."""
        [token] = set(re.findall(r"Bearer (\S+)\"", self.output))
        return str(token)

    @property
    def environment(self) -> dict[str, str]:
        """No credential, and nothing that another installation could have."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("ACTIONSIGHT_")}
        return {
            **inherited,
            "ACTIONSIGHT_DATA_DIR": str(self.folder),
            "ACTIONSIGHT_API_PORT": str(self.api_port),
            "ACTIONSIGHT_DAGSTER_PORT": str(self.dagster_port),
            **self._receiver,
        }

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start another command of the same installation."""
        return subprocess.Popen(
            [ACTIONSIGHT, *arguments],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run another command of the same installation to its end."""
        return subprocess.run(
            [ACTIONSIGHT, *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    @contextmanager
    def up(self) -> Generator["subprocess.Popen[str]"]:
        """`actionsight up`, from its word that all is ready until the context ends."""
        with subprocess.Popen(
            [ACTIONSIGHT, "up"],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process:
            assert process.stdout is not None
            try:
                self.output, self.pid = "", process.pid
                for line in process.stdout:
                    self.output += line
                    if line.startswith("Ctrl-C"):
                        break
                assert "Ready after" in self.output, self.output
                yield process
            finally:
                process.send_signal(signal.SIGINT)
                self.output += process.stdout.read()

    def ask(self, path: str) -> Any:
        """An answer of the API, with the token that `up` printed."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.api_port}{path}")
        request.add_header("Authorization", f"Bearer {self.token}")
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)

    def deliver(
        self,
        payload: dict[str, Any],
        *,
        secret: str | None = None,
        port: int | None = None,
        delivery_id: str | None = None,
    ) -> int:
        """Send a workflow_run webhook, signed as the stand-in does; gives the answer's status.

        It goes to the API's address unless a port is named, under a new id unless one is given.
        """
        if secret is None:
            secret = (self.data_dir / "webhook-secret").read_text()
        body = json.dumps(payload).encode()
        signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        request = urllib.request.Request(
            f"http://127.0.0.1:{port or self.api_port}/webhooks/github",
            data=body,
            headers={
                "Content-Type": "application/json",
                "X-GitHub-Event": "workflow_run",
                "X-GitHub-Delivery": delivery_id or str(uuid.uuid4()),
                "X-Hub-Signature-256": f"sha256={signature}",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return int(response.status)
        except urllib.error.HTTPError as error:
            return error.code

    def assets(self) -> dict[str, Any]:
        """Dagster's assets by key, each with its newest materialisation and its checks."""
        nodes = self.ask_dagster(ASSETS)["assetNodes"]
        return {"/".join(node["assetKey"]["path"]): node for node in nodes}

    def run_statuses(self) -> dict[str, str]:
        """The status of every run that Dagster knows, by its id."""
        runs = self.ask_dagster(RUNS)["runsOrError"]["results"]
        return {run["runId"]: run["status"] for run in runs}

    def ask_dagster(self, query: str) -> Any:
        """What Dagster's pages answer to a query."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.dagster_port}/graphql",
            data=json.dumps({"query": query}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)["data"]

    def processes(self) -> list[str]:
        """Command lines of all processes that work for this installation."""
        mark = os.fsencode(self.folder)
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                command = (process / "cmdline").read_bytes()
                if mark in command or mark in (process / "environ").read_bytes():
                    found.append(command.replace(b"\0", b" ").decode())
            except OSError:
                continue
        return found
