"""What an installation costs while nothing happens: CPU of one core, and memory, by process.

    .venv/bin/python -m benchmarks.idle [--minutes 10]

All of `make up`, in a folder of its own, before a GitHub with one quiet repository that is polled
every five minutes as usual. What is started and waited for counts with who waited; the GitHub is
not counted.
"""

import argparse
import sys
import time
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

import psutil  # pyrefly: ignore[untyped-import]

from benchmarks.quiet_installation import quiet_installation, wait_until_up

SETTLING_SECONDS = 90
MEGABYTE = 2**20


def main() -> None:
    """Start, let the first builds end, then look twice."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10, help="how long it is looked at (10)")
    seconds = parser.parse_args().minutes * 60
    command = [str(Path(sys.executable).with_name("actionsight")), "up"]
    with quiet_installation() as installation, installation.started(command) as up:
        wait_until_up(up)
        time.sleep(SETTLING_SECONDS)
        measure(psutil.Process(up.pid), seconds)


def measure(up: psutil.Process, seconds: float) -> None:
    """Print what each kind of process used in the meantime, and holds at its end."""
    before = cpu_seconds(up)
    time.sleep(seconds)
    after = cpu_seconds(up)
    memory = _memory_bytes(up)
    print(f"{'':32}{'% of a core':>12}{'MB':>8}{'processes':>11}")
    for label in sorted(after, key=lambda label: before[label] - after[label]):
        share = (after[label] - before[label]) / seconds
        sizes = memory[label]
        print(f"{label:32}{share:12.2%}{sum(sizes) / MEGABYTE:8.0f}{len(sizes):11}")
    share = (sum(after.values()) - sum(before.values())) / seconds
    total = sum(sum(sizes) for sizes in memory.values())
    print(f"{'all':32}{share:12.2%}{total / MEGABYTE:8.0f}")


def cpu_seconds(up: psutil.Process) -> defaultdict[str, float]:
    """By kind: of those that live, and of those that they waited for."""
    used: defaultdict[str, float] = defaultdict(float)
    for process in processes_of(up):
        with suppress(psutil.NoSuchProcess):
            used[label_of(process)] += sum(process.cpu_times()[:4])
    return used


def _memory_bytes(up: psutil.Process) -> defaultdict[str, list[int]]:
    """By kind: of each process, shared pages divided by those who share them."""
    held: defaultdict[str, list[int]] = defaultdict(list)
    for process in processes_of(up):
        with suppress(psutil.NoSuchProcess):
            held[label_of(process)].append(process.memory_full_info().pss)
    return held


def processes_of(up: psutil.Process) -> list[psutil.Process]:
    return [up, *up.children(recursive=True)]


def label_of(process: psutil.Process) -> str:
    """What it was started as."""
    words = process.cmdline()
    for word in words:
        if word.startswith(("orchestration.", "api.")):
            return word
        if word.endswith("granian"):
            return "granian"
    if any("multiprocessing" in word for word in words):
        return "runs of Dagster's, and their server"
    return process.name()


if __name__ == "__main__":
    main()
