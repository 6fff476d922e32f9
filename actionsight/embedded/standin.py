"""The stand-in GitHub as a service of the demonstration."""

import json
import subprocess
import sys
import urllib.request
from typing import Any

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
        return f"http://127.0.0.1:{port}"

    def answers(self, url: str) -> bool:
        """Whether it says what it shows."""
        try:
            standin_status(url)
        except OSError:
            return False
        return True


def standin_status(url: str) -> dict[str, Any]:
    """What the stand-in at this address shows: repositories, recordings, synthesised fields.

    Raises:
        OSError: nothing answers there.
    """
    with urllib.request.urlopen(f"{url}/standin", timeout=5) as response:  # noqa: S310 our own
        status: dict[str, Any] = json.load(response)
    return status
