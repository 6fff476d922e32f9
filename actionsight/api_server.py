"""How the API is served: by granian, WSGI.

    python -m actionsight.api_server PORT [MODULE:APPLICATION]

becomes granian, with an empty folder in which its workers count what GET /metrics adds up.
"""

import os
import shutil
import sys
from pathlib import Path

from actionsight.loopback import HOST
from actionsight.settings import load

WORKERS = 2
# Most of them wait for Redis to have an event on disk; that many share one flush.
THREADS = 16
LARGEST_HEAD_BYTES = 16 * 1024
HEAD_SECONDS = 10
APPLICATION = "api.wsgi:app"
# The name is prometheus_client's, and so is the rule that the folder is empty at the start.
_COUNTERS = "PROMETHEUS_MULTIPROC_DIR"


def command(port: int, application: str = APPLICATION) -> list[str]:
    """The command line that serves an application on loopback."""
    return [sys.executable, "-m", __name__, str(port), application]


def counters_folder(data_dir: Path, port: int) -> Path:
    """Where the workers of the server on a port count; another server has a folder of its own."""
    return data_dir / "metrics" / str(port)


def main(port: str, application: str = APPLICATION) -> None:
    """Become the server."""
    folder = counters_folder(load().data_dir, int(port))
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.environ[_COUNTERS] = str(folder)
    granian = str(Path(sys.executable).with_name("granian"))
    os.execv(  # noqa: S606 no shell is wanted
        granian,
        [
            granian,
            "--interface=wsgi",
            f"--host={HOST}",
            f"--port={port}",
            f"--workers={WORKERS}",
            f"--blocking-threads={THREADS}",
            "--workers-kill-timeout=10",
            # A head of a request needs no more, and its answer may repeat parts of it.
            "--http=1",
            f"--http1-buffer-size={LARGEST_HEAD_BYTES}",
            f"--http1-header-read-timeout={HEAD_SECONDS * 1000}",
            "--respawn-failed-workers",
            application,
        ],
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
