"""Child processes: started, watched, started again when they fall, and ended in order."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from actionsight.settings import ROOT

START_SECONDS = 120
STOP_SECONDS = 8
# More falls than this within the window mean that starting again does not help.
FALLS = 5
FALLS_WINDOW_SECONDS = 300
_PR_SET_PDEATHSIG = 1


class ProcessError(RuntimeError):
    """A process did not become healthy, or keeps falling; the message says where its log is."""


@dataclass
class Process:
    """One process of an installation, in a session of its own.

    Attributes:
        label: what people call it.
        command: program and arguments.
        is_healthy: asks whether it serves now.
    """

    label: str
    command: Sequence[str]
    is_healthy: Callable[[], bool]
    log_file: Path
    _running: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _falls: list[float] = field(default_factory=list, init=False)

    def start(self, environment: Mapping[str, str]) -> None:
        """Start it; its output goes to its log file."""
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        with self.log_file.open("ab") as log:
            self._running = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_as_a_child_that_obeys,
            )

    def wait_until_healthy(self, is_ending: Callable[[], bool]) -> None:
        """Return once it serves, or once everything is ending.

        Raises:
            ProcessError: it ended, or did not serve in time.
        """
        deadline = time.monotonic() + START_SECONDS
        while not is_ending():
            if not self.is_running():
                raise ProcessError(f"{self.label} ended while starting: {self._last_words()}")
            if self.is_healthy():
                return
            if time.monotonic() > deadline:
                raise ProcessError(f"{self.label} does not answer: {self._last_words()}")
            time.sleep(0.1)

    def is_running(self) -> bool:
        """Whether the process lives."""
        return self._running is not None and self._running.poll() is None

    def start_again(self, environment: Mapping[str, str]) -> None:
        """Start it after a fall.

        Raises:
            ProcessError: it fell too often.
        """
        now = time.monotonic()
        self._falls = [fall for fall in self._falls if now - fall < FALLS_WINDOW_SECONDS] + [now]
        if len(self._falls) > FALLS:
            raise ProcessError(f"{self.label} keeps ending: {self._last_words()}")
        self.signal(signal.SIGKILL)  # what it may have left of its group
        self.start(environment)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process and all that it started."""
        if self._running is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._running.pid, number)

    def wait_until_ended(self) -> None:
        """Wait for it; what does not end in time is killed with all that it started."""
        if self._running is None:
            return
        with suppress(subprocess.TimeoutExpired):
            self._running.wait(STOP_SECONDS)
        self.signal(signal.SIGKILL)
        self._running.wait()

    def _last_words(self) -> str:
        lines = self.log_file.read_text(errors="replace").strip().splitlines()
        return f"{lines[-1].strip() if lines else 'no message'} (log: {self.log_file})"


def _as_a_child_that_obeys() -> None:
    """In the child, before its program: usual signals, and an end when we are killed.

    A shell starts background jobs with SIGINT ignored, and a Dagster that inherits this ignores
    SIGTERM too.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
