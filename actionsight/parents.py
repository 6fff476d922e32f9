"""A process that ends with the one that started it, however that ends; on Linux."""

import ctypes
import multiprocessing
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def end_with_parent(number: signal.Signals) -> None:
    """Let this process get a signal when its parent has ended."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)


def end_with_server() -> None:
    """Let a worker that a server of workers forked end with the server.

    A worker that outlived it would hold its port, and nobody could serve there again.
    """
    server = multiprocessing.parent_process()
    if server is None:
        return
    end_with_parent(signal.SIGKILL)
    if os.getppid() != server.pid:  # it ended just before
        os.kill(os.getpid(), signal.SIGKILL)
