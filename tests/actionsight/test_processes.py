"""Processes are watched, started again when they fall, and ended with all that they started."""

import os
import select
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from actionsight import processes
from actionsight.processes import FALLS, Process, ProcessError

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
    return Process("the part", command, lambda: healthy, folder / "part.log")


def test_a_fallen_process_is_started_again(tmp_path: Path, started: list[Process]) -> None:
    part = process(tmp_path, SLEEPS)
    started.append(part)
    part.start(os.environ)
    part.wait_until_healthy(lambda: False)
    part.signal(signal.SIGKILL)
    part.wait_until_ended()
    assert not part.is_running()
    part.start_again(os.environ)
    assert part.is_running()


def test_a_process_that_keeps_falling_is_given_up_with_its_last_words(
    tmp_path: Path, started: list[Process]
) -> None:
    part = process(tmp_path, "print('no such module')")
    started.append(part)
    part.start(os.environ)
    with pytest.raises(ProcessError, match="keeps ending: no such module") as error:
        for _ in range(FALLS + 1):
            part.wait_until_ended()
            part.start_again(os.environ)
    assert str(tmp_path / "part.log") in str(error.value)


def test_a_process_that_ends_while_starting_says_why(
    tmp_path: Path, started: list[Process]
) -> None:
    part = process(tmp_path, "raise SystemExit('a setting is missing')", healthy=False)
    started.append(part)
    part.start(os.environ)
    with pytest.raises(ProcessError, match="a setting is missing"):
        part.wait_until_healthy(lambda: False)


def test_waiting_for_health_stops_when_everything_ends(
    tmp_path: Path, started: list[Process]
) -> None:
    part = process(tmp_path, SLEEPS, healthy=False)
    started.append(part)
    part.start(os.environ)
    part.wait_until_healthy(lambda: True)


def test_what_does_not_end_is_killed_with_its_children(
    tmp_path: Path, started: list[Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "STOP_SECONDS", 0.2)
    part = process(tmp_path, STUBBORN)
    part.is_healthy = lambda: part.log_file.read_text().strip() != ""
    started.append(part)
    part.start(os.environ)
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
        part.start(os.environ)
    finally:
        signal.signal(signal.SIGTERM, before)
    part.signal(signal.SIGTERM)
    part.wait_until_ended()
    assert not part.is_running()
