"""What every embedded server has: a folder, a password, a port, a process, and a log."""

import json
import os
import secrets
import select
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path

START_SECONDS = 30
STOP_SECONDS = 20


class EmbeddedServerError(RuntimeError):
    """An embedded server cannot be prepared, started or reached; the message says what to do."""


class EmbeddedServer(ABC):
    """A server process of ours on loopback, whose files lie in one folder."""

    label: str
    stop_signal = signal.SIGTERM

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def prepare(self) -> None:
        """Make what the server needs before its first start; does nothing when all is there."""

    @abstractmethod
    def launch(self, port: int, log: int) -> subprocess.Popen[bytes]:
        """Start the process; `log` is the descriptor that takes its output."""

    @abstractmethod
    def url(self, port: int) -> str:
        """The address that a client uses, password included."""

    @abstractmethod
    def answers(self, url: str) -> bool:
        """Whether the server serves requests now."""

    @property
    def log_file(self) -> Path:
        """Where the server's own messages go."""
        return self.folder / "server.log"

    def running_url(self) -> str | None:
        """The address of the running server, or None when none runs."""
        state = self._state()
        if state is None or not _is_alive(state["pid"]):
            return None
        url = self.url(state["port"])
        return url if self.answers(url) else None

    def start(self) -> str:
        """Start the server, or adopt the one that runs already; give its address.

        Raises:
            EmbeddedServerError: it did not answer in time; the message ends with its last words.
        """
        adopted = self.running_url()
        if adopted is not None:
            return adopted
        if self._process is not None:
            _kill(self._process)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.prepare()
        deadline = time.monotonic() + START_SECONDS
        state = self._state()
        port = free_port(state["port"] if state else 0)
        with self.log_file.open("ab") as log:
            # A server that was killed can hold its files for some seconds more: try again.
            while True:
                process = self.launch(port, log.fileno())
                try:
                    if self._comes_up(process, self.url(port), deadline):
                        break
                except KeyboardInterrupt:
                    _kill(process)
                    raise
                if time.monotonic() > deadline:
                    _kill(process)
                    raise EmbeddedServerError(f"{self.label} did not start: {self._last_words()}")
                time.sleep(0.5)
                port = free_port()
        self._process = process
        self._remember(process.pid, port)
        return self.url(port)

    def stop(self) -> None:
        """End the server of this folder, whoever started it, and wait until it is gone."""
        state = self._state()
        if state is None or not _is_alive(state["pid"]):
            return
        # A handle from the kernel, since the server need not be a child of this process.
        handle = os.pidfd_open(state["pid"])
        try:
            signal.pidfd_send_signal(handle, self.stop_signal)
            if not select.select([handle], [], [], STOP_SECONDS)[0]:
                signal.pidfd_send_signal(handle, signal.SIGKILL)
                select.select([handle], [], [], STOP_SECONDS)
        finally:
            os.close(handle)
        if self._process is not None:
            self._process.wait()

    def password(self) -> str:
        """This server's password, made at the first use and kept where only its owner reads."""
        return secret_in(self.folder / "password")

    def _comes_up(self, process: subprocess.Popen[bytes], url: str, deadline: float) -> bool:
        while time.monotonic() < deadline:
            if process.poll() is not None:
                return False
            if self.answers(url):
                return True
            time.sleep(0.03)
        return False

    def _state(self) -> dict[str, int] | None:
        try:
            state = json.loads((self.folder / "process.json").read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return None
        return {"pid": int(state["pid"]), "port": int(state["port"])}

    def _remember(self, pid: int, port: int) -> None:
        write_atomically(self.folder / "process.json", json.dumps({"pid": pid, "port": port}))

    def _last_words(self) -> str:
        lines = self.log_file.read_text(errors="replace").splitlines()
        return f"{lines[-1] if lines else 'no message'} (more in {self.log_file})"


def secret_in(path: Path) -> str:
    """The secret kept in `path` (mode 0600), made at the first use."""
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, secrets.token_urlsafe(32))
        return path.read_text().strip()


def write_atomically(path: Path, text: str) -> None:
    """Replace a file, readable by its owner alone, so that a reader sees old or new, never half."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(text)
    draft.replace(path)


def _kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def free_port(wanted: int = 0) -> int:
    """`wanted` where it is free on loopback, else any free port."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise EmbeddedServerError("no port on loopback is free")
