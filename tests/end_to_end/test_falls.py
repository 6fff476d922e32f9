"""Whatever process of `actionsight up` is killed, all is well again soon, without a person."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.end_to_end.demonstration import Demonstration
from tests.end_to_end.sender import PAYLOAD

pytestmark = [pytest.mark.end_to_end, pytest.mark.thorough, pytest.mark.timeout(1200)]

HEALED_SECONDS = 60
DAEMONS = "{ instance { daemonHealth { allDaemonStatuses { required healthy } } } }"
LOCATIONS = """
{ workspaceOrError { ... on Workspace { locationEntries {
    locationOrLoadError { __typename } } } } }
"""


def children_of(pid: int) -> dict[int, str]:
    """The processes that one started and that live, with their command lines."""
    numbers = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {
        int(number): Path(f"/proc/{number}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        for number in numbers
    }


def is_well(demonstration: Demonstration) -> bool:
    """Whether every part does what it is for: answers, webhooks, Dagster's pages and daemon."""
    try:
        loaded = demonstration.ask_dagster(LOCATIONS)["workspaceOrError"]["locationEntries"]
        health = demonstration.ask_dagster(DAEMONS)["instance"]["daemonHealth"]
        return (
            demonstration.deliver(PAYLOAD) == 202
            and demonstration.ask("/readyz")["event_buffer"]["status"] == "ok"
            and loaded[0]["locationOrLoadError"]["__typename"] == "RepositoryLocation"
            and all(s["healthy"] for s in health["allDaemonStatuses"] if s["required"])
        )
    except (OSError, TypeError, KeyError, IndexError):
        return False


def wait_until_well(demonstration: Demonstration, within_seconds: float) -> float:
    begun = time.monotonic()
    while not is_well(demonstration):
        assert time.monotonic() - begun < within_seconds, "not well again in time"
        time.sleep(0.5)
    return time.monotonic() - begun


def test_each_process_that_is_killed_is_replaced_and_all_is_well_within_a_minute(
    services_folder: Path,
) -> None:
    demonstration = Demonstration(services_folder / "falls")
    took: dict[str, float] = {}
    with demonstration.up() as up:
        wait_until_well(demonstration, 240)
        victims = children_of(up.pid)
        assert len(victims) >= 8, victims
        for victim, command in victims.items():
            os.kill(victim, signal.SIGKILL)
            time.sleep(2)  # two looks of the supervisor
            took[command[:120]] = wait_until_well(demonstration, HEALED_SECONDS)
            assert victim not in children_of(up.pid)
            assert len(children_of(up.pid)) == len(victims)
    print("\n".join(f"{seconds:5.1f} s after {command}" for command, seconds in took.items()))  # noqa: T201
    assert up.returncode == 0, demonstration.output
    assert demonstration.output.count("ended by itself") >= len(victims)
    assert demonstration.processes() == []
