"""When Dagster's webserver and daemon meet the code server, and how often they look whether it is
still the same."""

import socket
import time
from pathlib import Path
from typing import Any

import yaml
from dagster._grpc import server_watcher

# Ours changes when it is started anew, which takes it longer than that; Dagster's own second is a
# constant, and each time costs both sides.
SECONDS = 5
# What has not begun by then Dagster shows as missing, until it is met.
PATIENCE_SECONDS = 30
LOOK_SECONDS = 0.05


def watch_every_few_seconds() -> None:
    """Let this process ask so often, from its next workspace on."""
    server_watcher.WATCH_INTERVAL = SECONDS  # pyrefly: ignore[bad-assignment]


def wait_for_code_servers(workspace: str) -> None:
    """Return once those of a workspace listen, or after a while.

    Who started this process did so while the code server still imported: a workspace that is opened
    too early is looked at again only after seconds.
    """
    locations = yaml.safe_load(Path(workspace).read_text())["load_from"]
    deadline = time.monotonic() + PATIENCE_SECONDS
    for location in locations:
        while not _listens(location["grpc_server"]) and time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS)


def _listens(server: dict[str, Any]) -> bool:
    family, address = (
        (socket.AF_UNIX, server["socket"])
        if "socket" in server
        else (socket.AF_INET, (server["host"], server["port"]))
    )
    with socket.socket(family) as probe:
        probe.settimeout(1)
        try:
            return probe.connect_ex(address) == 0
        except OSError:  # its name is not known yet
            return False
