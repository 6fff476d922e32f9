"""What `actionsight up` starts, in which order, and how it ends.

Servers first (`installation.services`), then the code server, the receiver of webhooks and the API,
then Dagster's webserver and its daemon. They end the other way round: the daemon before what it
starts runs in.
"""

import os
import secrets
import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType

from actionsight import api_server, loopback
from actionsight.local import EmbeddedServer, free_port
from actionsight.local.installation import environment
from actionsight.local.parts import (
    CODE_SERVER,
    DAEMON,
    THE_API,
    THE_RECEIVER,
    WEBSERVER,
    Part,
    write_workspace,
)
from actionsight.local.processes import Process, ProcessError, Watch
from actionsight.settings import Settings

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
        self._code_socket = private_socket(settings.data_dir / "dagster" / "code-server")
        write_workspace(settings, self._code_socket)
        counters = api_server.empty_counters_folder(settings.data_dir, settings.api_port)
        counted = {api_server.COUNTERS: str(counters)}

        def process(part: Part, **told: str) -> Process:
            return Process(
                part.label,
                part.command(settings, self._code_socket),
                lambda: part.is_healthy(settings, self._code_socket),
                settings.data_dir / "logs" / f"{part.name}.log",
                environment(settings, part.kind) | told,
                part.parent_death_signal,
            )

        self._code_server = process(CODE_SERVER)
        self._webserver = process(WEBSERVER)
        self._daemon = process(DAEMON)
        self._api = process(THE_API, **counted)
        self._receiver = process(THE_RECEIVER, **counted)
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
            self._wait_for(self._receiver)
            self._wait_for(self._api)
            # The code server imports for longest; what rests on it imports meanwhile.
            self._webserver.start()
            self._daemon.start()
            for process in (self._code_server, self._webserver, self._daemon):
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
    for host, port, setting, label in (
        (settings.host, settings.api_port, "API", "the API"),
        (settings.host, settings.receiver_port, "RECEIVER", "the webhooks' receiver"),
        (settings.dagster_host, settings.dagster_port, "DAGSTER", "Dagster's pages"),
    ):
        if port is not None and _listens(host, port):
            raise PortTakenError(
                f"port {port} for {label} is taken by another program: end it, or set "
                f"ACTIONSIGHT_{setting}_PORT"
            )


def private_socket(folder: Path) -> Path:
    """Where the code server listens, in a folder that only this user enters.

    It is another file each time: that of an `up` that was killed lives on for a minute while a run
    of it ends, and takes the file where it listened along, whoever listens there by then.

    Whoever reaches the socket may run code as us: the code server's protocol asks for no password.
    The kernel takes paths of 107 bytes, and gRPC reads a % as an escape: where the folder's path
    does not do, it is a new temporary one.
    """
    socket_file = folder / secrets.token_hex(3)
    if len(os.fsencode(socket_file)) > LONGEST_SOCKET_PATH_BYTES or "%" in str(socket_file):
        return Path(tempfile.mkdtemp(prefix="actionsight-")) / "socket"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    for left in folder.iterdir():
        left.unlink()
    return socket_file


def _listens(host: str, port: int) -> bool:
    address = loopback.reached_at(host)
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        probe.settimeout(1)
        return probe.connect_ex((address, port)) == 0


__all__ = ["PortTakenError", "ProcessError", "Supervisor", "check_ports", "with_receiver_port"]
