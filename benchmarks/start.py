"""How long `make up` takes over an installation that was there before, stage by stage.

    .venv/bin/python -m benchmarks.start [--rounds 3]

It is started once, builds what there is, and ends. Then it is started again and again: when each
line of `up` came, after how long GET /readyz answered 200, and the CPU until then of all together.
"""

import argparse
import statistics
import threading
import time

import psutil  # pyrefly: ignore[untyped-import]
import requests

from actionsight import loopback
from benchmarks.idle import cpu_seconds
from benchmarks.quiet_installation import QuietInstallation, quiet_installation, wait_until_up

COMMAND = ("make", "--no-print-directory", "up")
FIRST_BUILD_SECONDS = 300
READY = "GET /readyz answers 200"
HEALTH = "Health"
CPU = "CPU of all processes until Health, seconds"


def main() -> None:
    """Start once, then measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="how many starts are measured (3)")
    rounds = parser.parse_args().rounds
    with quiet_installation() as installation:
        with installation.started(COMMAND) as up:
            wait_until_up(up)
            _wait_until_ready(installation, time.monotonic() + FIRST_BUILD_SECONDS)
        measured = [_second_start(installation) for _ in range(rounds)]
    print(f"{'seconds after `make up`':60}{'median':>8}{'least':>8}{'most':>8}")
    for stage in sorted(measured[0], key=lambda stage: measured[0][stage]):
        seconds = [each[stage] for each in measured if stage in each]
        print(f"{stage:60}{statistics.median(seconds):8.1f}{min(seconds):8.1f}{max(seconds):8.1f}")


def _second_start(installation: QuietInstallation) -> dict[str, float]:
    """After how many seconds each stage was reached."""
    reached: dict[str, float] = {}
    began = time.monotonic()
    with installation.started(COMMAND) as up:

        def watch() -> None:
            _wait_until_ready(installation, began + FIRST_BUILD_SECONDS)
            reached[READY] = time.monotonic() - began

        watcher = threading.Thread(target=watch)
        watcher.start()
        for line in up.stdout or ():
            stage = line.strip()
            if stage.startswith(HEALTH):
                reached[HEALTH] = time.monotonic() - began
                reached[CPU] = sum(cpu_seconds(psutil.Process(up.pid)).values())
                break
            if not stage.startswith("Ready"):
                reached[stage] = time.monotonic() - began
        wait_until_up(up)
        watcher.join()
    return reached


def _wait_until_ready(installation: QuietInstallation, deadline: float) -> None:
    url = f"http://{loopback.HOST}:{installation.api_port}/readyz"
    while time.monotonic() < deadline:
        try:
            if loopback.get(url).ok:
                return
        except requests.RequestException:
            pass
        time.sleep(0.05)
    raise TimeoutError("nothing was ever ready")


if __name__ == "__main__":
    main()
