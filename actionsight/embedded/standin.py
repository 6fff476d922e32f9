"""The stand-in GitHub as a service of the demonstration."""

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from actionsight import loopback
from actionsight.embedded.server import EmbeddedServer
from actionsight.settings import ROOT


@dataclass(frozen=True)
class Demonstrated:
    """What the stand-in has to know of the installation that it shows GitHub to.

    Attributes:
        api_root: the API's address: webhooks go there, and people come back to it.
        webhook_secret: what webhooks are signed with.
        client_id: of the App by which people sign in.
        client_secret: its secret.
        speed: how many times as fast as recorded the last day happens.
    """

    api_root: str
    webhook_secret: str = field(repr=False)
    client_id: str
    client_secret: str = field(repr=False)
    speed: int


class StandinServer(EmbeddedServer):
    """`python -m github_standin`, with its own folder for the moment that its history began."""

    label = "GitHub's stand-in"

    def __init__(self, folder: Path, demonstrated: Demonstrated) -> None:
        super().__init__(folder)
        self._demonstrated = demonstrated

    def prepare(self) -> None:
        """Nothing to prepare: its recordings are part of the checkout."""

    def launch(self, port: int, log: int) -> subprocess.Popen[bytes]:
        """Start it from the checkout, in a session of its own; secrets go by the environment."""
        demonstrated = self._demonstrated
        return subprocess.Popen(
            [
                sys.executable,
                "-m",
                "github_standin",
                "--demonstration",
                f"--port={port}",
                f"--data-dir={self.folder}",
                f"--webhook-url={demonstrated.api_root}/webhooks/github",
                f"--redirect-uri={demonstrated.api_root}/login/github/authorized",
                f"--speed={demonstrated.speed}",
            ],
            cwd=ROOT,
            env={
                **os.environ,
                "GITHUB_STANDIN_WEBHOOK_SECRET": demonstrated.webhook_secret,
                "GITHUB_STANDIN_CLIENT_ID": demonstrated.client_id,
                "GITHUB_STANDIN_CLIENT_SECRET": demonstrated.client_secret,
            },
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
