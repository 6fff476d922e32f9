"""Sharing a server between commands: the first starts it, the last to leave ends it."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from actionsight.embedded.server import EmbeddedServer


@contextmanager
def hold(server: EmbeddedServer) -> Iterator[str]:
    """Keep a server running for the length of the context; gives its address.

    The kernel drops both locks with the process that took them, so a killed command leaves no
    claim behind, only perhaps a server, which the next command adopts.

    Raises:
        EmbeddedServerError: the server cannot be started.
    """
    server.folder.mkdir(parents=True, exist_ok=True)
    with (server.folder / "holders.lock").open("a") as holders:
        with _exclusive(server.folder / "start.lock"):
            fcntl.flock(holders, fcntl.LOCK_SH)
            url = server.start()
        try:
            yield url
        finally:
            with _exclusive(server.folder / "start.lock"):
                fcntl.flock(holders, fcntl.LOCK_UN)
                try:
                    fcntl.flock(holders, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    pass  # somebody else holds it still, and will end it
                else:
                    server.stop()


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
