"""The stand-in GitHub as a service of the demonstration."""

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from actionsight import loopback
from actionsight.local.server import SERVES, SILENT, Condition, EmbeddedServer
from actionsight.settings import ROOT

INVENTED_OWNER = "invented"
"""Whose repositories are no recordings: all of them is made up."""


@dataclass(frozen=True)
class DemoSettings:
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

    def __init__(self, folder: Path, demo: DemoSettings) -> None:
        super().__init__(folder)
        self._demo = demo

    def prepare(self) -> None:
        """Nothing to prepare: its recordings are part of the checkout."""

    def command(self, port: int) -> list[str]:
        """Its module, and where this installation is."""
        demo = self._demo
        return [
            sys.executable,
            "-m",
            "github_standin",
            "--demonstration",
            f"--port={port}",
            f"--data-dir={self.folder}",
            f"--webhook-url={demo.api_root}/webhooks/github",
            f"--redirect-uri={demo.api_root}/login/github/authorized",
            f"--speed={demo.speed}",
        ]

    def options(self) -> dict[str, Any]:
        """It starts from the checkout; secrets go by the environment."""
        secrets = {
            "GITHUB_STANDIN_WEBHOOK_SECRET": self._demo.webhook_secret,
            "GITHUB_STANDIN_CLIENT_ID": self._demo.client_id,
            "GITHUB_STANDIN_CLIENT_SECRET": self._demo.client_secret,
        }
        return {"cwd": ROOT, "env": {**os.environ, **secrets}}

    def url(self, port: int) -> str:
        """The root of its REST API."""
        return f"http://{loopback.HOST}:{port}"

    def condition(self, url: str) -> Condition:
        """Whether it says what it shows."""
        try:
            standin_status(url)
        except requests.RequestException:
            return SILENT
        return SERVES


def standin_status(url: str) -> dict[str, Any]:
    """What the stand-in at this address shows: repositories, recordings, synthesised fields.

    Raises:
        requests.RequestException: nothing answers there.
    """
    status: dict[str, Any] = loopback.get(f"{url}/standin").json()
    return status
