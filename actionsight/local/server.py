"""What every embedded server has: a folder, a lock, a password, a port, a process, and a log."""

import fcntl
import json
import os
import secrets
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from actionsight.log_files import rotate

# How long a server may live without a word before it is given up. One that says that it recovers
# has all the time that it needs: a cluster of some hundred gigabytes takes many minutes.
SILENT_SECONDS = 60
# A shutdown checkpoint writes all that is in memory: what is killed before it ends has to recover.
STOP_SECONDS = 600
# A wait is explained after the first, and again after each of the second.
FIRST_WORD_SECONDS = 3
WORD_SECONDS = 15


class EmbeddedServerError(RuntimeError):
    """An embedded server cannot be prepared, started or reached; the message says what to do."""


@dataclass(frozen=True)
class Condition:
    """What a server answers: that it serves, that it recovers and how far it is, or nothing."""

    serves: bool = False
    recovering: str | None = None


SERVES = Condition(serves=True)
SILENT = Condition()


def say_on_stderr(line: str) -> None:
    """Tell the person who watches, beside what a command prints."""
    sys.stderr.write(f"{line}\n")


class Patience:
    """Explains a wait to the person who watches, once it takes long, and now and then."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._next_word = time.monotonic() + FIRST_WORD_SECONDS

    def explain(self, sentence: str) -> None:
        """Say the sentence, unless something was said just now."""
        if time.monotonic() >= self._next_word:
            self._say(sentence)
            self._next_word = time.monotonic() + WORD_SECONDS


class EmbeddedServer(ABC):
    """A server process of ours on loopback, whose files lie in one folder.

    One server at a time works in a folder: its process and all that it forks inherit a lock on
    `server.lock`, which the kernel keeps as long as one of them lives, and whoever cannot take
    the lock launches nothing.
    """

    label: str
    stop_signal = signal.SIGTERM

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def prepare(self) -> None:
        """Make what the server needs before a start; does nothing when all is there."""

    @abstractmethod
    def command(self, port: int) -> list[str]:
        """Program and arguments."""

    @abstractmethod
    def url(self, port: int) -> str:
        """The address that a client uses, password included."""

    @abstractmethod
    def condition(self, url: str) -> Condition:
        """What the server answers now: this one, and none that took its port just before it.

        That of a copied folder opens by the same password.
        """

    def options(self) -> dict[str, Any]:
        """More of `subprocess.Popen`'s arguments."""
        return {"cwd": self.folder}

    @property
    def log_file(self) -> Path:
        """Where the server's own messages go."""
        return self.folder / "server.log"

    def is_running(self) -> bool:
        """Whether the server that was launched last lives, whoever launched it."""
        return _is_alive(self._state())

    @property
    def process_id(self) -> int:
        """The process that was launched last; 0 when none was."""
        return self._state()["pid"]

    def running_url(self) -> str | None:
        """The address of the server that lives here, or None; it need not answer yet."""
        state = self._state()
        return self.url(state["port"]) if _is_alive(state) else None

    def start(self, say: Callable[[str], None] = say_on_stderr) -> str:
        """Start the server, or adopt the one that lives here; give its address once it serves.

        One that lives and is silent is waited for, never doubled. One that recovers takes as long
        as it takes; `say` hears of it.

        Raises:
            EmbeddedServerError: it was silent for too long, or cannot be started; the message
                ends with its last words.
        """
        patience = Patience(say)
        heard_at = time.monotonic()
        while True:
            launched = self.launch_unless_alive()
            url = self.running_url()
            condition = self.condition(url) if url else SILENT
            if url and condition.serves:
                return url
            if condition.recovering is not None:
                heard_at = time.monotonic()
                patience.explain(
                    f"{self.label} recovers what it had written: {condition.recovering}"
                )
            else:
                patience.explain(f"{self.label} does not answer yet …")
            if time.monotonic() - heard_at > SILENT_SECONDS:
                raise EmbeddedServerError(self._complaint())
            # One that ends at once is not launched in a frenzy.
            time.sleep(0.5 if launched and self.running_url() is None else 0.03)

    def launch_unless_alive(self) -> bool:
        """Launch the server unless one lives in its folder; gives whether it was launched.

        Does not wait for it to answer.

        Raises:
            EmbeddedServerError: its files cannot be made.
        """
        if self._process is not None:
            self._process.poll()  # a child that ended is a zombie until it is asked for
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "server.lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            self.prepare()
            self._launch(lock)
        return True

    def start_again(self) -> bool:
        """Launch it after a fall, at the address that its clients know; does not wait for it.

        Gives False while that cannot be: its folder or its port is in use for a moment more.
        """
        port = self._state()["port"]
        return free_port(port) == port and self.launch_unless_alive()

    def stop(self, say: Callable[[str], None] = say_on_stderr) -> None:
        """End the server of this folder, whoever started it, and wait until it is gone."""
        state = self._state()
        if not _is_alive(state):
            return
        # A handle from the kernel, since the server need not be a child of this process.
        handle = os.pidfd_open(state["pid"])
        try:
            signal.pidfd_send_signal(handle, self.stop_signal)
            if not self._ends(handle, say):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
                select.select([handle], [], [], FIRST_WORD_SECONDS)
        finally:
            os.close(handle)
        if self._process is not None:
            self._process.wait()

    def password(self) -> str:
        """This server's password, made at the first use and kept where only its owner reads."""
        return secret_in(self.folder / "password")

    def _launch(self, lock: TextIO) -> None:
        state = self._state()
        port = free_port(state["port"])
        if self._process is not None:
            self._process.wait()  # it has let go of its lock, so it has ended
        rotate(self.log_file)
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                self.command(port),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=[lock.fileno()],
                **self.options(),
            )
        pid = self._process.pid
        state = {"pid": pid, "started": _start_ticks(pid), "port": port}
        try:
            write_atomically(self.folder / "process.json", json.dumps(state))
        except OSError:
            # Nobody would know it, and it would hold the folder for as long as it lives.
            self._process.kill()
            self._process.wait()
            raise

    def _ends(self, handle: int, say: Callable[[str], None]) -> bool:
        patience = Patience(say)
        deadline = time.monotonic() + STOP_SECONDS
        while time.monotonic() < deadline:
            if select.select([handle], [], [], 0.5)[0]:
                return True
            patience.explain(f"{self.label} brings to disk what it has in memory …")
        return False

    def _state(self) -> dict[str, int]:
        """What is known of the process that was launched last; port 0 when nothing is."""
        try:
            state = json.loads((self.folder / "process.json").read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            state = {}
        return {name: int(state.get(name, 0)) for name in ("pid", "started", "port")}

    def last_words(self) -> str:
        """The last line of its log."""
        lines = self.log_file.read_text(errors="replace").splitlines()
        return lines[-1] if lines else "no message"

    def _complaint(self) -> str:
        state = self._state()
        what = (
            f"lives (process {state['pid']}) and has not answered for {SILENT_SECONDS} seconds"
            if _is_alive(state)
            else "did not start"
        )
        return f"{self.label} {what}: {self.last_words()} (more in {self.log_file})"


def secret_in(path: Path) -> str:
    """The secret kept in `path` (mode 0600), made at the first use.

    Of several who make it at once all get the same; once this returns it outlives a power cut.

    Raises:
        EmbeddedServerError: the file is empty.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = _write_draft(path, secrets.token_urlsafe(32))
        with suppress(FileExistsError):
            path.hardlink_to(draft)
        draft.unlink()
        _sync_folder(path.parent)
    secret = path.read_text().strip()
    if not secret:
        raise EmbeddedServerError(
            f"{path} should hold a secret and is empty: restore it, or delete it for a new one"
        )
    return secret


def write_atomically(path: Path, text: str) -> None:
    """Replace a file, readable by its owner alone, so that a reader sees old or new, never half."""
    _write_draft(path, text).replace(path)
    _sync_folder(path.parent)


def _write_draft(path: Path, text: str) -> Path:
    """A file beside `path` with the text, on disk."""
    with tempfile.NamedTemporaryFile(
        "w", dir=path.parent, prefix=f"{path.name}.", delete=False
    ) as draft:
        try:
            draft.write(text)
            draft.flush()
            os.fsync(draft.fileno())
        except OSError:
            Path(draft.name).unlink()
            raise
    return Path(draft.name)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _is_alive(state: dict[str, int]) -> bool:
    """Whether the very process that was launched lives, and no other that got its number."""
    started = _start_ticks(state["pid"])
    return started != 0 and started == state["started"]


def _start_ticks(pid: int) -> int:
    """When a process started, in the kernel's ticks since the machine did; 0 when it is gone."""
    try:
        # After the name, which may hold anything: state, parent, …; the start is the 20th.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return 0 if fields[0] == "Z" else int(fields[19])


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
