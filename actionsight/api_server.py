"""How the API and the webhooks' own receiver are served: by granian, WSGI.

    python -m actionsight.api_server PORT [MODULE:APPLICATION]

becomes granian at ACTIONSIGHT_HOST, with an empty folder in which its workers count what GET
/metrics adds up. Servers that are told one folder by PROMETHEUS_MULTIPROC_DIR count there together.
"""

import os
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from actionsight.loopback import HOST
from actionsight.settings import ROOT, load


class Size(NamedTuple):
    """Processes of a server, and the threads of each that answer."""

    workers: int
    threads: int


APPLICATION = "api.wsgi:app"
# Most threads wait for Redis to have an event on disk; that many share one flush.
SIZE = Size(workers=2, threads=64)
RECEIVER = "api.webhooks.wsgi:app"
# A body that comes slowly holds a thread for as long as its sender likes (`api.bodies` bounds how
# many do). One that waits costs its stack; it is started when it is needed.
RECEIVER_SIZE = Size(workers=1, threads=256)
LARGEST_HEAD_BYTES = 16 * 1024
# What the server and its libraries read; whatever else stands in the environment (a cloud's keys,
# say) is left behind, since the server hands its environment on with every request.
_KEPT = re.compile(
    r"(ACTIONSIGHT_|GRANIAN_|PROMETHEUS_|OPENSSL_|PYTHON|SSL_|LC_|LD_|PG)\w*"
    r"|PATH|HOME|LANG|TZ|TMPDIR|USER"
    r"|VIRTUAL_ENV|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|(HTTPS?|ALL|NO)_PROXY",
    re.IGNORECASE,
)
LOGGING = ROOT / "api" / "logging.json"
# The name is prometheus_client's, and so is the rule that the folder is empty at the start.
COUNTERS = "PROMETHEUS_MULTIPROC_DIR"


def command(port: int, application: str = APPLICATION) -> list[str]:
    """The command line that serves an application."""
    return [sys.executable, "-m", __name__, str(port), application]


def counters_folder(data_dir: Path, port: int) -> Path:
    """Where the workers of the server on a port count; another server has a folder of its own."""
    return data_dir / "metrics" / str(port)


def empty_counters_folder(data_dir: Path, port: int) -> Path:
    """Make that folder, or empty it."""
    folder = counters_folder(data_dir, port)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def kept(environment: Mapping[str, str]) -> dict[str, str]:
    """What of an environment the server is given."""
    return {name: value for name, value in environment.items() if _KEPT.fullmatch(name)}


def granian_command(port: int, application: str, size: Size, host: str = HOST) -> list[str]:
    """The command line of granian itself."""
    return [
        str(Path(sys.executable).with_name("granian")),
        "--interface=wsgi",
        f"--host={host}",
        f"--port={port}",
        f"--workers={size.workers}",
        f"--blocking-threads={size.threads}",
        "--workers-kill-timeout=10",
        # A head of a request needs no more, and its answer may repeat parts of it.
        "--http=1",
        f"--http1-buffer-size={LARGEST_HEAD_BYTES}",
        f"--log-config={LOGGING}",
        "--respawn-failed-workers",
        application,
    ]


def main(port: str, application: str = APPLICATION) -> None:
    """Become the server."""
    os.umask(0o077)  # what it writes is for this user alone
    settings = load()
    environment = kept(os.environ)
    if COUNTERS not in environment:
        environment[COUNTERS] = str(empty_counters_folder(settings.data_dir, int(port)))
    size = RECEIVER_SIZE if application == RECEIVER else SIZE
    command_line = granian_command(int(port), application, size, settings.host)
    os.execve(command_line[0], command_line, environment)  # noqa: S606 no shell is wanted


if __name__ == "__main__":
    main(*sys.argv[1:])
