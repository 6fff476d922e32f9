"""Ports for programs that cannot say which one they got, and for addresses that do not answer."""

import random
import socket

from actionsight.loopback import HOST

# Beneath what the kernel gives to whoever asks for any port: nobody gets one of these by chance
# between the look at it and its use.
_PORTS = range(20_000, 32_000)


def free_port() -> int:
    """A port on loopback that nobody listens at."""
    while True:
        port = random.choice(_PORTS)  # noqa: S311
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
