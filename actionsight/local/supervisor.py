"""What `actionsight up` starts, in which order, and how it ends.

Servers first (`installation.services`), then the code server, the receiver of webhooks and the API,
then Dagster's webserver and its daemon. They end the other way round: the daemon before what it
starts runs in.
"""

import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType

import requests
import yaml

from actionsight import api_server, loopback
from actionsight.local import EmbeddedServer, free_port
from actionsight.local.dagster_client import LOCATION, DagsterClient
from actionsight.local.installation import environment
from actionsight.local.processes import Process, ProcessError, Watch
from actionsight.loopback import HOST
from actionsight.settings import API, COLLECTION, DAGSTER, RECEIVER, Settings

WATCH_SECONDS = 0.5
LONGEST_SOCKET_PATH_BYTES = 107


class PortTakenError(RuntimeError):
    """A port that people rely on is taken; the message names the setting that moves it."""


class Supervisor:
    """The processes of one installation.

    Args:
        settings: with every address filled in.
        servers: the embedded ones among what it rests on, running.
        ending: set once somebody asked for the end, also before there was a supervisor.
        say: takes a line for the person who watches.
    """

    def __init__(
        self,
        settings: Settings,
        servers: Sequence[EmbeddedServer],
        ending: threading.Event,
        say: Callable[[str], None],
    ) -> None:
        self._say = say
        self._servers = servers
        self._ending = ending
        environments = {
            part: environment(settings, part) for part in (API, RECEIVER, COLLECTION, DAGSTER)
        }
        dagster = DagsterClient(settings.dagster_port)
        logs = settings.data_dir / "logs"
        home = settings.data_dir / "dagster"
        self._code_socket = code_socket = private_socket(home / "code-server")
        workspace = _write_workspace(home, code_socket)
        counted = {
            api_server.COUNTERS: str(
                api_server.empty_counters_folder(settings.data_dir, settings.api_port)
            )
        }
        python = [sys.executable, "-m"]
        self._code_server = Process(
            "the code server",
            [
                *python,
                "orchestration.code_server",
                f"--socket={code_socket}",
                f"--location-name={LOCATION}",
            ],
            lambda: _accepts(code_socket),
            logs / "code-server.log",
            environments[COLLECTION],
        )
        self._webserver = Process(
            "Dagster's webserver",
            [
                *python,
                "orchestration.webserver",
                f"--port={settings.dagster_port}",
                f"--workspace={workspace}",
                *([f"--public-url={settings.public_url}"] if settings.public_url else []),
                *(["--writable"] if settings.dagster_writable else []),
            ],
            dagster.location_is_loaded,
            logs / "dagster-webserver.log",
            environments[DAGSTER],
        )
        self._daemon = Process(
            "Dagster's daemon",
            [*python, "orchestration.daemon", f"--workspace={workspace}"],
            dagster.daemons_are_healthy,
            logs / "dagster-daemon.log",
            environments[DAGSTER],
        )
        self._api = Process(
            "the API",
            api_server.command(settings.api_port),
            lambda: _answers(settings.api_port),
            logs / "api.log",
            environments[API] | counted,
        )
        receiver_port = settings.receiver_port
        if receiver_port is None:
            raise ValueError("the receiver has no port")
        self._receiver = Process(
            "the webhooks' receiver",
            api_server.command(receiver_port, api_server.RECEIVER),
            lambda: _answers(receiver_port),
            logs / "receiver.log",
            environments[RECEIVER] | counted,
        )
        # In the order in which they end: what takes webhooks last.
        self._processes = (
            self._daemon,
            self._webserver,
            self._code_server,
            self._api,
            self._receiver,
        )

    @contextmanager
    def running(self) -> Generator[None]:
        """Everything started and healthy within the context, ended after it.

        Raises:
            ProcessError: a process did not become healthy; what had started is ended.
        """
        try:
            self._code_server.start()
            self._receiver.start()
            self._api.start()
            self._wait_for(self._code_server)
            self._webserver.start()
            self._daemon.start()
            for process in (self._receiver, self._api, self._webserver, self._daemon):
                self._wait_for(process)
            yield
        finally:
            self._end()

    def watch(self) -> None:
        """Start again what falls, servers included, until `end` is asked for.

        What keeps falling is given longer pauses, and costs nothing else its life: the receiver
        takes GitHub's webhooks whatever else is down.
        """
        watched: list[Process | EmbeddedServer] = [*self._servers, *self._processes]
        watches = [
            Watch(
                each.label,
                each.log_file,
                each.is_running,
                each.start_again,
                each.last_words,
                self._say,
            )
            for each in watched
        ]
        while not self._ending.wait(WATCH_SECONDS):
            for watch in watches:
                watch.check()

    def end_on_signals(self) -> None:
        """Let Ctrl-C and SIGTERM end everything."""

        def end(_number: int, _frame: FrameType | None) -> None:
            self._ending.set()

        signal.signal(signal.SIGINT, end)
        signal.signal(signal.SIGTERM, end)

    @property
    def is_ending(self) -> bool:
        """Whether somebody asked for the end."""
        return self._ending.is_set()

    def _wait_for(self, process: Process) -> None:
        process.wait_until_healthy(self._ending.is_set)
        if not self._ending.is_set():
            self._say(f"{process.label} is up")

    def _end(self) -> None:
        for process in self._processes:
            process.signal(signal.SIGTERM)
            process.wait_until_ended()
        shutil.rmtree(self._code_socket.parent, ignore_errors=True)


def with_receiver_port(settings: Settings) -> Settings:
    """The settings with a port for the receiver: a free one where none is set."""
    return replace(settings, receiver_port=settings.receiver_port or free_port())


def check_ports(settings: Settings) -> None:
    """Raise unless the ports that people rely on are free.

    Raises:
        PortTakenError: names the port and the setting that moves it.
    """
    for port, setting, label in (
        (settings.api_port, "ACTIONSIGHT_API_PORT", "the API"),
        (settings.receiver_port, "ACTIONSIGHT_RECEIVER_PORT", "the webhooks' receiver"),
        (settings.dagster_port, "ACTIONSIGHT_DAGSTER_PORT", "Dagster's pages"),
    ):
        if port is not None and _listens(port):
            raise PortTakenError(
                f"port {port} for {label} is taken by another program: end it, or set {setting}"
            )


def private_socket(folder: Path) -> Path:
    """Where the code server listens, in a folder that only this user enters.

    Whoever reaches the socket may run code as us: the code server's protocol asks for no password.
    The kernel takes paths of 107 bytes, and gRPC reads a % as an escape: where the folder's path
    does not do, it is a new temporary one.
    """
    socket_file = folder / "socket"
    if len(os.fsencode(socket_file)) > LONGEST_SOCKET_PATH_BYTES or "%" in str(socket_file):
        return Path(tempfile.mkdtemp(prefix="actionsight-")) / "socket"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    return socket_file


def _write_workspace(folder: Path, code_socket: Path) -> Path:
    """The workspace of webserver and daemon: one code server for both, under a fixed name."""
    path = folder / "workspace.yaml"
    location = {"socket": str(code_socket), "location_name": LOCATION}
    path.write_text(yaml.safe_dump({"load_from": [{"grpc_server": location}]}))
    return path


def _accepts(socket_file: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        return probe.connect_ex(os.fspath(socket_file)) == 0


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


def _answers(port: int) -> bool:
    try:
        return loopback.get(f"http://{HOST}:{port}/healthz").ok
    except requests.RequestException:
        return False


__all__ = ["PortTakenError", "ProcessError", "Supervisor", "check_ports", "with_receiver_port"]
