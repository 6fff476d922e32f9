"""Child processes: started, watched, started again when they fall, and ended in order."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from actionsight.log_files import rotate
from actionsight.logs import told_by
from actionsight.parents import end_with_parent
from actionsight.settings import ROOT

START_SECONDS = 120
STOP_SECONDS = 8
# What falls is started again at once; while it keeps falling, after a pause that doubles.
SHORTEST_PAUSE_SECONDS = 1
LONGEST_PAUSE_SECONDS = 60
# Whatever ran for so long is well again: its next fall is a first one.
STEADY_SECONDS = 300


class ProcessError(RuntimeError):
    """A process did not become healthy; the message says where its log is."""


@dataclass
class Process:
    """One process of an installation, in a session of its own.

    Attributes:
        label: what people call it.
        command: program and arguments.
        is_healthy: asks whether it serves now.
        log_file: where its output goes.
        environment: all that it is told.
        parent_death_signal: what it gets when we are killed.
    """

    label: str
    command: Sequence[str]
    is_healthy: Callable[[], bool]
    log_file: Path
    environment: Mapping[str, str] = field(repr=False)
    parent_death_signal: signal.Signals = signal.SIGTERM
    _running: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self) -> None:
        """Start it; its output goes to its log file."""
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        rotate(self.log_file)
        with self.log_file.open("ab") as log:
            self._running = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=partial(_reset_signals, self.parent_death_signal),
            )

    def wait_until_healthy(self, is_ending: Callable[[], bool]) -> None:
        """Return once it serves, or once everything is ending.

        Raises:
            ProcessError: it ended, or did not serve in time.
        """
        deadline = time.monotonic() + START_SECONDS
        while not is_ending():
            if not self.is_running():
                raise ProcessError(f"{self.label} ended while starting: {self.last_words()}")
            if self.is_healthy():
                return
            if time.monotonic() > deadline:
                raise ProcessError(f"{self.label} does not answer: {self.last_words()}")
            time.sleep(0.1)

    def is_running(self) -> bool:
        """Whether the process lives."""
        return self._running is not None and self._running.poll() is None

    def start_again(self) -> bool:
        """Start it after a fall; gives True, since nothing keeps it from being started."""
        self.signal(signal.SIGKILL)  # what it may have left of its group
        self.start()
        return True

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

    def last_words(self) -> str:
        """What the last line of its log tells, and where that is."""
        lines = self.log_file.read_text(errors="replace").strip().splitlines()
        return f"{told_by(lines[-1].strip()) if lines else 'no message'} (log: {self.log_file})"


@dataclass
class Watch:
    """Starts one thing again when it falls, and leaves all others alone, however often it falls.

    Attributes:
        label: what people call it.
        log_file: kept within its bounds, too.
        is_running: whether it lives.
        start_again: starts it without waiting for it; False when it cannot be started yet.
        last_words: why it fell, as far as its log tells.
        say: takes a line for the person who watches.
    """

    label: str
    log_file: Path
    is_running: Callable[[], bool]
    start_again: Callable[[], bool]
    last_words: Callable[[], str]
    say: Callable[[str], None]
    _pause_seconds: float = field(default=0, init=False)
    _due_at: float | None = field(default=None, init=False)
    _started_at: float = field(default_factory=time.monotonic, init=False)

    def check(self) -> None:
        """Start it again if it fell and its pause is over; never waits."""
        rotate(self.log_file)
        if self.is_running():
            return
        now = time.monotonic()
        if self._due_at is None:
            self._due_at = now + self._next_pause(now)
        if now < self._due_at:
            return
        try:
            if not self.start_again():
                return
        except (OSError, RuntimeError) as error:
            self.say(f"{self.label} cannot be started: {error}")
        self._due_at, self._started_at = None, now

    def _next_pause(self, now: float) -> float:
        """The pause before the next start, told."""
        pause = 0 if now - self._started_at > STEADY_SECONDS else self._pause_seconds
        self._pause_seconds = min(max(2 * pause, SHORTEST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)
        when = f"in {pause:.0f} s" if pause else "now"
        self.say(f"{self.label} ended by itself, is started again {when}: {self.last_words()}")
        return pause


def _reset_signals(parent_death_signal: signal.Signals) -> None:
    """In the child, before its program: usual signals, and an end when we are killed.

    A shell starts background jobs with SIGINT ignored, and a Dagster that inherits this ignores
    SIGTERM too.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    end_with_parent(parent_death_signal)
