"""An installation of its own before a GitHub with one quiet repository, polled as usual."""

import os
import signal
import subprocess
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from actionsight.local import free_port
from actionsight.settings import ROOT
from github_standin.server.server import serving
from github_standin.world.world import World


@dataclass(frozen=True)
class QuietInstallation:
    """A data folder, ports, and the GitHub that is asked.

    Attributes:
        environment: all that its processes are told.
        api_port: where its API answers.
    """

    environment: dict[str, str]
    api_port: int

    @contextmanager
    def started(self, command: Sequence[str]) -> Generator[subprocess.Popen[str]]:
        """A command that starts it, whose output the context reads; ended by Ctrl-C after it.

        A terminal sends it to the whole group: `make` does not hand it on.
        """
        with subprocess.Popen(
            command,
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
            process_group=0,
        ) as up:
            try:
                yield up
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(up.pid, signal.SIGINT)
                up.communicate()


@contextmanager
def quiet_installation() -> Generator[QuietInstallation]:
    """One that is gone after the context."""
    world = World()
    world.add_repository("octo/app")
    with tempfile.TemporaryDirectory(prefix="actionsight-quiet-") as name, serving(world) as github:
        Path(name).chmod(0o755)
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("ACTIONSIGHT_")}
        api_port = free_port()
        environment = {
            **inherited,
            "ACTIONSIGHT_DATA_DIR": name,
            "ACTIONSIGHT_API_PORT": str(api_port),
            "ACTIONSIGHT_DAGSTER_PORT": str(free_port()),
            "ACTIONSIGHT_GITHUB_API_URL": github.url,
            "ACTIONSIGHT_REPOSITORIES": "octo/app",
        }
        yield QuietInstallation(environment, api_port)


def wait_until_up(up: subprocess.Popen[str]) -> None:
    """Read what it says until all is up."""
    for line in up.stdout or ():
        if line.startswith("Ctrl-C"):
            return
    raise RuntimeError(f"it ended by itself, with {up.wait()}")
