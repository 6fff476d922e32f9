"""The stand-in GitHub as a service of the demonstration."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import requests

from actionsight import loopback
from actionsight.embedded.server import EmbeddedServer
from actionsight.settings import ROOT


class StandinServer(EmbeddedServer):
    """`python -m github_standin`, with its own folder for the moment that its history began.

    Args:
        webhook_url: where it sends what happens from now on.
        webhook_secret: what it signs that with.
        speed: how many times as fast as recorded the last day happens.
    """

    label = "GitHub's stand-in"

    def __init__(self, folder: Path, webhook_url: str, webhook_secret: str, speed: int) -> None:
        super().__init__(folder)
        self._webhook_url = webhook_url
        self._webhook_secret = webhook_secret
        self._speed = speed

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
                f"--webhook-url={self._webhook_url}",
                f"--speed={self._speed}",
            ],
            cwd=ROOT,
            env={**os.environ, "GITHUB_STANDIN_WEBHOOK_SECRET": self._webhook_secret},
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
