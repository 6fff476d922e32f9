"""How the API is served: by granian, WSGI."""

import sys
from pathlib import Path

from actionsight.loopback import HOST

WORKERS = 2
# Most of them wait for Redis to have an event on disk; that many share one flush.
THREADS = 16


def command(port: int, application: str = "api.wsgi:app") -> list[str]:
    """The command line that serves an application on loopback."""
    return [
        str(Path(sys.executable).with_name("granian")),
        "--interface=wsgi",
        f"--host={HOST}",
        f"--port={port}",
        f"--workers={WORKERS}",
        f"--blocking-threads={THREADS}",
        "--workers-kill-timeout=10",
        "--respawn-failed-workers",
        application,
    ]
