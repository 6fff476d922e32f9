"""The processes of an installation, each declared once.

`actionsight up` runs all of them on one machine; `actionsight serve` becomes one of them, in a
container of its own.
"""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import requests
import yaml

from actionsight import api_server, loopback
from actionsight.local.dagster_client import LOCATION, DagsterClient
from actionsight.local.installation import environment
from actionsight.settings import API, COLLECTION, DAGSTER, RECEIVER, ROOT, Settings, SettingsError

_PYTHON = [sys.executable, "-m"]
# A SIGTERM that comes while granian is stopped is lost more often than not: once it goes on, any of
# its threads takes the signal, and the one that waits for it sleeps on. It would hold its port
# against the next `up`, and what it has accepted is on disk.
_ENDS_GRANIAN = signal.SIGKILL


class Port(NamedTuple):
    """A code server for processes of other machines."""

    host: str
    port: int


# Where the code server is: whoever reaches it may run code as us, since its protocol asks for no
# password. A socket lies in a folder that nobody else enters.
CodeServer = Path | Port


@dataclass(frozen=True)
class Part:
    """One kind of process.

    Attributes:
        name: what `serve` calls it, and its log.
        label: what people call it.
        kind: which secrets it is told (`actionsight.settings`).
        command: its program and arguments.
        is_healthy: whether it serves on this machine; asked ten times a second while it starts.
        check: a program of Dagster's that says so of one that runs alone; None: `is_healthy` does.
        parent_death_signal: what ends it when the `up` that started it was killed.
    """

    name: str
    label: str
    kind: str
    command: Callable[[Settings, CodeServer | None], list[str]]
    is_healthy: Callable[[Settings, CodeServer | None], bool]
    check: Callable[[Settings, CodeServer | None], list[str]] | None = None
    parent_death_signal: signal.Signals = signal.SIGTERM

    @property
    def needs_code_server(self) -> bool:
        """Whether it is the code server, or asks it."""
        return self.kind in {COLLECTION, DAGSTER}


def code_server_of(settings: Settings) -> Port:
    """Where processes that run alone find the code server.

    Raises:
        SettingsError: no setting says it.
    """
    if settings.code_server is None:
        raise SettingsError(
            "ACTIONSIGHT_CODE_SERVER is not set: say at which HOST:PORT the code server is found"
        )
    host, _, port = settings.code_server.rpartition(":")
    return Port(host, int(port))


def write_workspace(settings: Settings, code_server: CodeServer) -> None:
    """The workspace of webserver and daemon: one code server for both, under a fixed name."""
    if isinstance(code_server, Path):
        place: dict[str, str | int] = {"socket": str(code_server)}
    else:
        place = {"host": code_server.host, "port": code_server.port}
    path = _workspace(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    location = {**place, "location_name": LOCATION}
    path.write_text(yaml.safe_dump({"load_from": [{"grpc_server": location}]}))


def is_well_alone(part: Part, settings: Settings) -> bool:
    """Whether a part that `serve` became does its work.

    Args:
        settings: as the part has them (`installation.alone`).
    """
    code_server = code_server_of(settings) if part.needs_code_server else None
    if part.check is None:
        return part.is_healthy(settings, code_server)
    asked = subprocess.run(
        part.check(settings, code_server),
        cwd=ROOT,
        env=environment(settings, part.kind),
        check=False,
    )
    return asked.returncode == 0


def become(part: Part, settings: Settings) -> None:
    """Turn this process into a part.

    Args:
        settings: as the part has them (`installation.alone`).
    """
    code_server = code_server_of(settings) if part.needs_code_server else None
    if code_server is not None:
        write_workspace(settings, code_server)
    command = part.command(settings, code_server)
    os.chdir(ROOT)
    os.execve(command[0], command, environment(settings, part.kind))  # noqa: S606 no shell


def _workspace(settings: Settings) -> Path:
    return settings.data_dir / "dagster" / "workspace.yaml"


def _receiver_port(settings: Settings) -> int:
    if settings.receiver_port is None:
        raise SettingsError("ACTIONSIGHT_RECEIVER_PORT is not set: say where the receiver listens")
    return settings.receiver_port


def _answers(settings: Settings, port: int) -> bool:
    url = f"{loopback.root_of(settings.host, port)}/healthz"
    try:
        return loopback.get(url, headers=loopback.OUR_NAME).ok
    except requests.RequestException:
        return False


def _run_code_server(settings: Settings, code_server: CodeServer | None) -> list[str]:
    place = (
        [f"--host={settings.host}", f"--port={code_server.port}"]
        if isinstance(code_server, Port)
        else [f"--socket={code_server}"]
    )
    return [*_PYTHON, "orchestration.code_server", *place, f"--location-name={LOCATION}"]


def _accepts(_: Settings, code_server: CodeServer | None) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        return probe.connect_ex(str(code_server)) == 0


def _check_code_server(settings: Settings, code_server: CodeServer | None) -> list[str]:
    if not isinstance(code_server, Port):
        raise TypeError("a code server that runs alone has a port")
    place = [f"--host={loopback.reached_at(settings.host)}", f"--port={code_server.port}"]
    return [*_PYTHON, "dagster", "api", "grpc-health-check", *place]


def _run_webserver(settings: Settings, _: CodeServer | None) -> list[str]:
    return [
        *_PYTHON,
        "orchestration.webserver",
        f"--host={settings.dagster_host}",
        f"--port={settings.dagster_port}",
        f"--workspace={_workspace(settings)}",
        *([f"--public-url={settings.public_url}"] if settings.public_url else []),
        *(["--writable"] if settings.dagster_writable else []),
    ]


def _dagster(settings: Settings) -> DagsterClient:
    return DagsterClient(settings.dagster_port, settings.dagster_host)


THE_API = Part(
    "api",
    "the API",
    API,
    lambda settings, _: api_server.command(settings.api_port),
    lambda settings, _: _answers(settings, settings.api_port),
    parent_death_signal=_ENDS_GRANIAN,
)
THE_RECEIVER = Part(
    "receiver",
    "the webhooks' receiver",
    RECEIVER,
    lambda settings, _: api_server.command(_receiver_port(settings), api_server.RECEIVER),
    lambda settings, _: _answers(settings, _receiver_port(settings)),
    parent_death_signal=_ENDS_GRANIAN,
)
CODE_SERVER = Part(
    "code-server",
    "the code server",
    COLLECTION,
    _run_code_server,
    _accepts,
    _check_code_server,
)
WEBSERVER = Part(
    "dagster-webserver",
    "Dagster's webserver",
    DAGSTER,
    _run_webserver,
    lambda settings, _: _dagster(settings).location_is_loaded(),
)
DAEMON = Part(
    "dagster-daemon",
    "Dagster's daemon",
    DAGSTER,
    lambda settings, _: [*_PYTHON, "orchestration.daemon", f"--workspace={_workspace(settings)}"],
    # The webserver tells of it.
    lambda settings, _: _dagster(settings).daemons_are_healthy(),
    lambda *_: [str(Path(sys.executable).with_name("dagster-daemon")), "liveness-check"],
)
PARTS = {part.name: part for part in (THE_API, THE_RECEIVER, CODE_SERVER, WEBSERVER, DAEMON)}
