"""Senders of prepared requests over keep-alive connections, as many as a server is to bear.

A sender is a process with one event loop over its connections: it costs a fraction of what the
server does for the same request.
"""

import multiprocessing
import select
import socket
import statistics
import time
from array import array
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

HOST = "127.0.0.1"
PROCESSES = 2
CONNECTIONS = 8  # of each process: all threads of two workers are busy, and as many wait


@dataclass(frozen=True)
class Load:
    """What a load met: requests a second, and seconds from a request's turn to its answer."""

    rate: float
    latencies: Sequence[float]

    def percentile(self, percent: int) -> float:
        """Seconds within which so many percent of the requests were answered."""
        return statistics.quantiles(self.latencies, n=100)[percent - 1]


class Senders:
    """Processes that wait for their next load; they are ended with the context."""

    def __init__(
        self,
        requests: Sequence[bytes],
        *,
        status: int = 202,
        connections: int = CONNECTIONS,
        has_addresses: bool = False,
    ) -> None:
        """Requests of which each must be answered by `status`; so many connections a process.

        Args:
            has_addresses: each connection comes from an address of its own (on Linux, where all of
                127.0.0.0/8 is this machine): the API bounds what one address may ask.
        """
        self._requests = requests
        self._status = status
        self._connections = connections
        self._has_addresses = has_addresses
        self._senders: list[tuple[Any, Connection]] = []

    def __enter__(self) -> "Senders":
        context = multiprocessing.get_context("spawn")
        for number in range(PROCESSES):
            ours, theirs = context.Pipe()
            own = self._requests[number::PROCESSES]
            process = context.Process(
                target=_serve_loads,
                args=(
                    theirs,
                    own,
                    self._status,
                    [f"127.0.{number + 1}.{place + 1}" for place in range(self._connections)]
                    if self._has_addresses
                    else [HOST] * self._connections,
                ),
                daemon=True,
            )
            process.start()
            self._senders.append((process, ours))
        return self

    def __exit__(self, *_: object) -> None:
        for process, pipe in self._senders:
            pipe.send(None)
            process.join()

    def load(self, port: int, seconds: float, rate: float | None = None) -> Load:
        """Send for so long, without a pause or at a rate (requests a second of all senders).

        Raises:
            RuntimeError: an answer had another status.
        """
        for _, pipe in self._senders:
            pipe.send((port, seconds, rate / PROCESSES if rate else None))
        latencies = array("d")
        for _, pipe in self._senders:
            latencies.frombytes(pipe.recv())
        if not latencies:
            raise RuntimeError(f"a request was not answered by {self._status}")
        return Load(len(latencies) / seconds, latencies)


def _serve_loads(
    pipe: Connection, requests: Sequence[bytes], status: int, addresses: Sequence[str]
) -> None:
    while (order := pipe.recv()) is not None:
        pipe.send(_send(requests, status, addresses, *order).tobytes())


def _send(
    requests: Sequence[bytes],
    status: int,
    addresses: Sequence[str],
    port: int,
    seconds: float,
    rate: float | None,
) -> "array[float]":
    """One load; gives the latencies, nothing when an answer had another status.

    At a rate a request's time begins when it is due, even where no connection is free by then.
    """
    latencies = array("d")
    # In turn, so that none is idle for so long that the server closes it.
    idle = deque(
        socket.create_connection((HOST, port), source_address=(address, 0)) for address in addresses
    )
    connections = {connection.fileno(): connection for connection in idle}
    began: dict[int, float] = {}
    waiting = select.epoll()
    for descriptor in connections:
        waiting.register(descriptor, select.EPOLLIN)
    start = due = time.perf_counter()
    number = 0
    while (now := time.perf_counter()) < start + seconds or began:
        while idle and now < start + seconds and (rate is None or due <= now):
            connection = idle.popleft()
            began[connection.fileno()] = now if rate is None else due
            connection.sendall(requests[number % len(requests)])
            number += 1
            due += 1 / rate if rate else 0
        pause = max(0.0, due - now) if rate and idle else 1
        for descriptor, _ in waiting.poll(pause):
            connection = connections[descriptor]
            answer = _answer(connection)
            latencies.append(time.perf_counter() - began.pop(descriptor))
            if not answer.startswith(b"HTTP/1.1 %d" % status):
                return array("d")
            idle.append(connection)
    for connection in connections.values():
        connection.close()
    return latencies


def _answer(connection: socket.socket) -> bytes:
    """One answer: its head, and as many bytes as that promises."""
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += _received(connection)
    head, _, body = answer.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0] or 0)
    while len(body) < length:
        body += _received(connection)
    return answer


def _received(connection: socket.socket) -> bytes:
    received = connection.recv(65536)
    if not received:
        raise ConnectionError("the server closed the connection")
    return received
