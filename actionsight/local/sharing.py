"""Sharing a server between commands: the first starts it, the last to leave ends it."""

import fcntl
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TextIO

from actionsight.local.server import EmbeddedServer, EmbeddedServerError, say_on_stderr


@contextmanager
def hold(server: EmbeddedServer, say: Callable[[str], None] = say_on_stderr) -> Generator[str]:
    """Keep a server running for the length of the context; gives its address.

    The kernel drops a claim with the process that made it, so a killed command leaves none
    behind, only perhaps a server, which the next command adopts.

    Args:
        server: which one.
        say: takes a line for the person who watches, where a wait takes long.

    Raises:
        EmbeddedServerError: the server cannot be started.
    """
    server.folder.mkdir(parents=True, exist_ok=True)
    with (server.folder / "holders.lock").open("a") as holders:
        _join(holders, server, say)
        try:
            url = server.start(say)
        except EmbeddedServerError:
            raise  # one that lives and is silent is left alone: it may be well again later
        except BaseException:
            _leave(holders, server, say)
            raise
        try:
            yield url
        finally:
            _leave(holders, server, say)


def _join(holders: TextIO, server: EmbeddedServer, say: Callable[[str], None]) -> None:
    try:
        fcntl.flock(holders, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        say(f"Another command ends {server.label}; waiting for that …")
        fcntl.flock(holders, fcntl.LOCK_SH)


def _leave(holders: TextIO, server: EmbeddedServer, say: Callable[[str], None]) -> None:
    # The shared claim is gone whether or not the other is got. Of several who leave at once the
    # last finds nobody; whoever joins meanwhile waits until the server has ended.
    try:
        fcntl.flock(holders, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return  # somebody else holds it still, and will end it
    server.stop(say)
