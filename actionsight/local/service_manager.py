"""The service manager that started this process (systemd), told how it goes."""

import os
import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

# The sockets, and when a watchdog bites, are told in the environment: sd_notify(3).
_SOCKET = "NOTIFY_SOCKET"
_WATCHDOG = "WATCHDOG_USEC"


@dataclass(frozen=True)
class ServiceManager:
    """What is told goes to a socket; where no service manager listens, nowhere.

    Attributes:
        address: the socket's, None: nobody listens.
        watchdog_seconds: so long it waits for a sign of life; None: it expects none.
    """

    address: str | None = None
    watchdog_seconds: float | None = None

    @classmethod
    def of_this_process(cls) -> "ServiceManager":
        """The one that the environment names, which no child of this process is told of."""
        address = os.environ.pop(_SOCKET, None)
        microseconds = os.environ.pop(_WATCHDOG, None)
        return cls(address, int(microseconds) / 1e6 if microseconds else None)

    def tell(self, *assignments: str) -> None:
        """Send assignments of sd_notify's, such as `READY=1`."""
        if self.address is None:
            return
        # A name that begins with @ is of the abstract namespace, which begins with a null.
        address = f"\0{self.address[1:]}" if self.address.startswith("@") else self.address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.connect(address)
            sender.sendall("\n".join(assignments).encode())

    @contextmanager
    def watching(self, is_well: Callable[[], bool]) -> Generator[None]:
        """Say that all is ready; then, as long as it is well, that it lives."""
        self.tell("READY=1")
        over = threading.Event()

        def feed(pause_seconds: float) -> None:
            while not over.wait(pause_seconds):
                # A word that is not heard is followed by others; the thread must outlive it.
                with suppress(OSError):
                    if is_well():
                        self.tell("WATCHDOG=1")

        if self.address is None or self.watchdog_seconds is None:
            yield
            return
        # Three looks before it bites: one alone may come at a bad moment.
        feeder = threading.Thread(target=feed, args=[self.watchdog_seconds / 4], daemon=True)
        feeder.start()
        try:
            yield
        finally:
            over.set()
            feeder.join()
