"""The stand-in GitHub as a service of the demonstration."""

import subprocess
import sys
from typing import Any

import requests

from actionsight import loopback
from actionsight.embedded.server import EmbeddedServer
from actionsight.settings import ROOT


class StandinServer(EmbeddedServer):
    """`python -m github_standin`, with its own folder for the moment that its history began."""

    label = "GitHub's stand-in"

    def prepare(self) -> None:
        """Nothing to prepare: its recordings are part of the checkout."""

    def launch(self, port: int, log: int) -> subprocess.Popen[bytes]:
        """Start it from the checkout, in a session of its own."""
        return subprocess.Popen(
            [
                sys.executable,
                "-m",
                "github_standin",
                "--demonstration",
                f"--port={port}",
                f"--data-dir={self.folder}",
            ],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )

    def url(self, port: int) -> str:
        """The root of its REST API."""
        return f"http://{loopback.HOST}:{port}"

    def answers(self, url: str) -> bool:
        """Whether it says what it shows."""
        try:
            standin_status(url)
        except requests.RequestException:
            return False
        return True


def standin_status(url: str) -> dict[str, Any]:
    """What the stand-in at this address shows: repositories, recordings, synthesised fields.

    Raises:
        requests.RequestException: nothing answers there.
    """
    status: dict[str, Any] = loopback.get(f"{url}/standin").json()
    return status
