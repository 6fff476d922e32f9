"""An installation under `actionsight up`, its processes, and the one that it is copied from."""

import json
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psutil  # pyrefly: ignore[untyped-import]

from actionsight.database import with_database
from actionsight.local import PostgresqlServer
from actionsight.settings import ROOT
from github_standin.server.server import Server
from tests.chaos.github import PRIVATE, PUBLIC
from tests.support.ports import free_port

ACTIONSIGHT = Path(sys.executable).with_name("actionsight")
CLIENT_ID = "Iv1.chaos"
COLLECTOR = "of the collector"
READY = "Ctrl-C"
PATIENCE_SECONDS = 120
SETTLED_SECONDS = 10


class ChaosError(AssertionError):
    """Something that must not be."""


def wait_until(what: str, is_so: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> float:
    """Wait for a condition; gives for how many seconds.

    Raises:
        ChaosError: it did not become true in time.
    """
    began = time.monotonic()
    while not is_so():
        if time.monotonic() - began > seconds:
            raise ChaosError(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.25)
    return time.monotonic() - began


@dataclass(frozen=True)
class Secrets:
    """What a template and its copies share."""

    webhook: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    client: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)


class Installation:
    """One installation, in a data folder and on ports of its own.

    Args:
        data_dir: its data folder.
        notes: where what `up` prints goes, which no full disk of its own can keep from it.
        github: the stand-in that it collects from.
        shared: what its webhooks are signed with, and its App's secret.
    """

    def __init__(self, data_dir: Path, notes: Path, github: Server, shared: Secrets) -> None:
        self.data_dir = data_dir
        self.notes = notes
        self.api_port, self.dagster_port, self.receiver_port = (free_port() for _ in range(3))
        self.api_url = f"http://127.0.0.1:{self.api_port}"
        self._github_url = github.url
        self._secrets = shared
        self._up: subprocess.Popen[bytes] | None = None
        # Looked at before: there are hundreds of them on a busy machine.
        self._others: set[psutil.Process] = set()
        # Whoever ends `up` and starts it again does so alone.
        self.restarting = threading.RLock()

    @property
    def environment(self) -> dict[str, str]:
        """What a person would put into `.env`."""
        return {
            **{k: v for k, v in os.environ.items() if not k.startswith("ACTIONSIGHT_")},
            "ACTIONSIGHT_DATA_DIR": str(self.data_dir),
            "ACTIONSIGHT_API_PORT": str(self.api_port),
            "ACTIONSIGHT_DAGSTER_PORT": str(self.dagster_port),
            "ACTIONSIGHT_RECEIVER_PORT": str(self.receiver_port),
            "ACTIONSIGHT_PUBLIC_URL": self.api_url,
            "ACTIONSIGHT_GITHUB_API_URL": self._github_url,
            "ACTIONSIGHT_GITHUB_URL": self._github_url,
            "ACTIONSIGHT_GITHUB_TOKEN": COLLECTOR,
            "ACTIONSIGHT_GITHUB_CLIENT_ID": CLIENT_ID,
            "ACTIONSIGHT_GITHUB_CLIENT_SECRET": self._secrets.client,
            "ACTIONSIGHT_GITHUB_WEBHOOK_SECRET": self._secrets.webhook,
            "ACTIONSIGHT_SIGN_IN": "everyone",
            "ACTIONSIGHT_REPOSITORIES": ",".join((*PUBLIC, PRIVATE)),
            "ACTIONSIGHT_BACKFILL_DAYS": "30",
            "ACTIONSIGHT_POLL_MINUTES": "1",
        }

    @property
    def database_url(self) -> str:
        """Where its tables are, for PostgreSQL's superuser, who sees what every session does."""
        return with_database(
            PostgresqlServer(self.data_dir / "postgres").admin_url(), "actionsight"
        )

    def start(self, *command: str | Path) -> "subprocess.Popen[bytes]":
        """Start a command of this installation; what it prints is added to the notes."""
        with (self.notes / f"{Path(command[0]).name}-{command[1]}.log").open("ab") as log:
            return subprocess.Popen(
                command,
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def run(self, *arguments: str) -> str:
        """Run an `actionsight` command to its end; gives what it printed.

        Raises:
            ChaosError: it failed.
        """
        done = subprocess.run(
            [ACTIONSIGHT, *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ChaosError(
                f"actionsight {arguments[0]}: exit {done.returncode}: {done.stderr[-2000:]}"
            )
        return done.stdout

    # up

    def start_up(self) -> None:
        """Start `actionsight up` until it is ready, as a service manager would: again and again.

        Raises:
            ChaosError: it does not become ready.
        """
        log = self.notes / "actionsight-up.log"
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            begin = log.stat().st_size if log.exists() else 0
            self._up = up = self.start(ACTIONSIGHT, "up")
            while up.poll() is None:
                with log.open() as lines:
                    lines.seek(begin)
                    if READY in lines.read():
                        return
                if time.monotonic() > deadline:
                    break
                time.sleep(0.1)
            time.sleep(0.5)
        raise ChaosError("`actionsight up` does not become ready")

    def kill_up(self) -> None:
        """SIGKILL it; what it started is left to itself."""
        if self._up is not None:
            self._up.kill()
            self._up.wait()

    def end_up(self) -> None:
        """SIGTERM it, and wait for its end.

        Raises:
            ChaosError: it ended with a failure, or not at all.
        """
        if self._up is None:
            return
        self._up.terminate()
        try:
            code = self._up.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            raise ChaosError("`actionsight up` does not end") from None
        if code:
            raise ChaosError(f"`actionsight up` ended with exit {code}")

    # processes

    def processes(self, role: str | None = None) -> list[psutil.Process]:
        """Its processes that live, or those of one role (`tests.chaos.schedule.PROCESSES`)."""
        return [process for process, found in self._roles() if role in (None, found)]

    def _roles(self) -> Iterator[tuple[psutil.Process, str | None]]:
        """Every process that is told this data folder, or is a descendant of one that is."""
        mine: dict[psutil.Process, None] = {}
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process not in self._others and self._is_told(process):
                    mine.update(dict.fromkeys([process, *process.children(recursive=True)]))
        for process in mine:
            with suppress(psutil.Error):
                if process.status() != psutil.STATUS_ZOMBIE:
                    yield process, self._role(process)

    def _is_told(self, process: psutil.Process) -> bool:
        # A server that writes its state over its command line works in its folder.
        told = f"{process.cmdline()} {process.environ()} {process.cwd()}"
        is_told = str(self.data_dir) in told
        # One that begins just now may be another program soon.
        if not is_told and time.time() - process.create_time() > SETTLED_SECONDS:
            self._others.add(process)
        return is_told and process.pid != os.getpid()

    def _role(self, process: psutil.Process) -> str | None:
        command = " ".join(process.cmdline())
        parent = process.parent()
        above = " ".join(parent.cmdline()) if parent else ""
        for module, role in (
            ("api.wsgi:app", "API"),
            ("api.webhooks.wsgi:app", "receiver"),
        ):
            if module in command:
                return f"{role} worker" if module in above else role
        for module, role in (
            ("orchestration.webserver", "webserver"),
            ("orchestration.daemon", "daemon"),
            ("orchestration.code_server", "code server"),
            ("actionsight up", "up"),
        ):
            if module in command:
                return role
        # Dagster forks the process of a run from a server of forks, which the code server has.
        if "multiprocessing.forkserver" in command and "multiprocessing.forkserver" in above:
            return "run"
        if "valkey-server" in command:
            return {"event-buffer": "event buffer", "cache": "cache"}.get(Path(process.cwd()).name)
        if command.startswith("postgres: actionsight"):
            return "PostgreSQL backend"
        if "/bin/postgres -D" in command:
            return "PostgreSQL"
        return None

    def end_all(self) -> None:
        """Leave nothing behind, whatever went wrong."""
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                process.kill()


@dataclass(frozen=True)
class Template:
    """An installation that collected a history and has ended; every seed begins with a copy.

    Attributes:
        folder: where it is.
        until: when its history ends.
        secrets: those of it and its copies.
        operator_token: a token of its API that sees all.
    """

    folder: Path
    until: datetime
    secrets: Secrets
    operator_token: str = field(repr=False)

    @property
    def data_dir(self) -> Path:
        """Its data folder."""
        return self.folder / "data"

    def save(self) -> None:
        """Note what a process that copies it has to know."""
        told = {
            "until": self.until.isoformat(),
            "webhook": self.secrets.webhook,
            "client": self.secrets.client,
            "operator_token": self.operator_token,
        }
        path = self.folder / "template.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps(told))

    @classmethod
    def read(cls, folder: Path) -> "Template":
        """The one that was saved in a folder."""
        told = json.loads((folder / "template.json").read_text())
        return cls(
            folder,
            datetime.fromisoformat(told["until"]).astimezone(UTC),
            Secrets(told["webhook"], told["client"]),
            told["operator_token"],
        )
