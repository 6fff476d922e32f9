"""Processes are watched, started again when they fall, and ended with all that they started."""

import itertools
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

from actionsight.local import processes
from actionsight.local.processes import Process, ProcessError, Watch
from actionsight.settings import ROOT

pytestmark = pytest.mark.unit

SLEEPS = "import time; time.sleep(600)"
# Starts a child, says so, and does not listen to SIGTERM.
STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def started() -> Iterator[list[Process]]:
    """Processes that are killed at the end, whatever a test did."""
    all_of_them: list[Process] = []
    yield all_of_them
    for process in all_of_them:
        process.signal(signal.SIGKILL)
        process.wait_until_ended()


def process(folder: Path, code: str, healthy: bool = True) -> Process:
    command = [sys.executable, "-c", code]
    return Process("the part", command, lambda: healthy, folder / "part.log", os.environ)


def test_a_fallen_process_is_started_again(tmp_path: Path, started: list[Process]) -> None:
    part = process(tmp_path, SLEEPS)
    started.append(part)
    part.start()
    part.wait_until_healthy(lambda: False)
    part.signal(signal.SIGKILL)
    part.wait_until_ended()
    assert not part.is_running()
    part.start_again()
    assert part.is_running()


class Falling:
    """Falls a second after each start, by a clock that is moved on from start to start."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.starts: list[float] = []
        self.said: list[str] = []
        self.lives_seconds = 1.0

    def watch(self, log_file: Path) -> Watch:
        return Watch(
            "the part",
            log_file,
            lambda: bool(self.starts) and self.now < self.starts[-1] + self.lives_seconds,
            self.start_again,
            lambda: "no such module",
            self.said.append,
        )

    def start_again(self) -> bool:
        self.starts.append(self.now)
        return True


def test_what_keeps_falling_is_started_again_with_growing_pauses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = Falling()
    monkeypatch.setattr(processes, "time", SimpleNamespace(monotonic=lambda: part.now))
    watch = part.watch(tmp_path / "part.log")
    while len(part.starts) < 9:
        watch.check()
        part.now += 0.5
    pauses = [later - earlier - 1 for earlier, later in itertools.pairwise(part.starts)]
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]
    assert all("no such module" in line for line in part.said)
    assert len(part.said) == 9, "one line for each fall"

    part.lives_seconds = 2 * processes.STEADY_SECONDS
    part.now = part.starts[-1]
    for _ in range(3_000):
        watch.check()
        part.now += 0.5
    assert part.starts[-1] - part.starts[-2] == part.lives_seconds, "started again at once"


def test_what_cannot_be_started_yet_is_tried_until_it_can(tmp_path: Path) -> None:
    tries = iter([False, False, True])
    running = False

    def start_again() -> bool:
        nonlocal running
        running = next(tries)
        return running

    said: list[str] = []
    log = tmp_path / "part.log"
    watch = Watch("the part", log, lambda: running, start_again, str, said.append)
    for _ in range(5):
        watch.check()
    assert running
    assert len(said) == 1


def test_a_process_that_ends_while_starting_says_why(
    tmp_path: Path, started: list[Process]
) -> None:
    part = process(tmp_path, "raise SystemExit('a setting is missing')", healthy=False)
    started.append(part)
    part.start()
    with pytest.raises(ProcessError, match="a setting is missing"):
        part.wait_until_healthy(lambda: False)


def test_waiting_for_health_stops_when_everything_ends(
    tmp_path: Path, started: list[Process]
) -> None:
    part = process(tmp_path, SLEEPS, healthy=False)
    started.append(part)
    part.start()
    part.wait_until_healthy(lambda: True)


def test_what_does_not_end_is_killed_with_its_children(
    tmp_path: Path, started: list[Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "STOP_SECONDS", 0.2)
    part = process(tmp_path, STUBBORN)
    part.is_healthy = lambda: part.log_file.read_text().strip() != ""
    started.append(part)
    part.start()
    part.wait_until_healthy(lambda: False)
    child = os.pidfd_open(int(part.log_file.read_text()))
    try:
        part.signal(signal.SIGTERM)
        part.wait_until_ended()
        ended, _, _ = select.select([child], [], [], 10)
    finally:
        os.close(child)
    assert ended


def test_signals_are_obeyed_even_when_a_shell_had_them_ignored(
    tmp_path: Path, started: list[Process]
) -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        part = process(tmp_path, SLEEPS)
        started.append(part)
        part.start()
    finally:
        signal.signal(signal.SIGTERM, before)
    part.signal(signal.SIGTERM)
    part.wait_until_ended()
    assert not part.is_running()


STARTS_AND_WAITS = """
import os, sys, time
from pathlib import Path
from actionsight.local.parts import PARTS
from actionsight.local.processes import Process

part = PARTS[sys.argv[1]]
command = [sys.executable, "-c", "import time; time.sleep(600)"]
process = Process(
    part.label, command, lambda: True, Path(sys.argv[2]), os.environ, part.parent_death_signal
)
process.start()
print(process._running.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("part", ["api", "receiver"])
def test_what_holds_a_port_ends_with_a_killed_parent_also_while_it_is_stopped(
    tmp_path: Path, part: str
) -> None:
    command = [sys.executable, "-c", STARTS_AND_WAITS, part, str(tmp_path / "part.log")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        process_id = int(parent.stdout.readline())
        ending = os.pidfd_open(process_id)
        os.kill(process_id, signal.SIGSTOP)
        parent.kill()
    try:
        readable, _, _ = select.select([ending], [], [], 20)
        assert readable
    finally:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(ending, signal.SIGKILL)
        os.close(ending)
