"""An application under the server that serves it in earnest, as `actionsight up` starts it."""

import os
import signal
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

import requests

from actionsight import api_server, loopback
from actionsight.local.processes import Process
from tests.support.ports import free_port


@contextmanager
def served(
    application: str,
    environment: Mapping[str, str],
    log_file: Path,
    port: int | None = None,
    *,
    size: api_server.Size | None = None,
) -> Generator[int]:
    """Serve `module:application` for the length of the context; gives the port on loopback.

    Args:
        port: where, if the application must know its own address; None: wherever is room.
        size: of an application that `actionsight.api_server` does not know; None: as it says.

    Raises:
        ProcessError: it did not start.
    """
    port = port or free_port()
    # What it writes lies beside its log, never in the data folder of somebody's installation.
    own = {"ACTIONSIGHT_DATA_DIR": str(log_file.parent)}
    process = Process(
        "granian",
        api_server.granian_command(port, application, size)
        if size
        else api_server.command(port, application),
        lambda: _answers(port),
        log_file,
        {**os.environ, **environment, **own},
    )
    process.start()
    try:
        process.wait_until_healthy(lambda: False)
        yield port
    finally:
        process.signal(signal.SIGTERM)
        process.wait_until_ended()


def _answers(port: int) -> bool:
    try:
        loopback.get(f"http://{loopback.HOST}:{port}/healthz")
    except requests.RequestException:
        return False
    return True
