"""After a failover every client finds the server that is the primary now, by itself."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

from actionsight.event_buffer import EventBuffer
from actionsight.github.rate_limit import limiter
from actionsight.github.rate_limit.models import GITHUB_LIMITS, Permit, Priority, Wait
from actionsight.github.rate_limit.shared import SharedRateLimiter
from actionsight.local import ValkeyServer, hold
from actionsight.local.valkey import EVENT_BUFFER
from api import cache_server
from api.rate_limits import Counters

pytestmark = pytest.mark.integration

PATIENCE_SECONDS = 30


class Relay:
    """A name that stays: each connection goes where `target` says when it is made."""

    def __init__(self, target: int) -> None:
        self.target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        for each in [self._listener, *self._sockets]:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self.target))
                self._sockets += [near, far]
                for ends in ((near, far), (far, near)):
                    threading.Thread(target=_pass_on, args=ends, daemon=True).start()


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


@dataclass
class Pair:
    """A primary and its replica behind one address."""

    url: str
    fail_over: Callable[[], None]
    new_primary: "redis.Redis"


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with ExitStack() as stack:
        urls = []
        for name in ("first", "second"):
            folder = tmp_path / name
            folder.mkdir()
            (folder / "password").write_text("of-both")
            role = (*EVENT_BUFFER, "masterauth of-both", "repl-diskless-sync-delay 0")
            urls.append(stack.enter_context(hold(ValkeyServer(folder, name, role))))
        first, second = (stack.enter_context(redis.Redis.from_url(url)) for url in urls)
        ports = [int(url.rpartition(":")[2].partition("/")[0]) for url in urls]
        relay = Relay(ports[0])
        stack.callback(relay.close)
        second.replicaof("127.0.0.1", ports[0])
        wait_until(lambda: second.info("replication")["master_link_status"] == "up")

        def fail_over() -> None:
            first.wait(1, 10_000)
            second.replicaof("NO", "ONE")
            first.replicaof("127.0.0.1", ports[1])
            wait_until(lambda: first.info("replication")["role"] == "slave")
            relay.target = ports[1]

        yield Pair(f"redis://:of-both@127.0.0.1:{relay.port}/0", fail_over, second)


def wait_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_after_a_failover_every_client_goes_to_the_new_primary(pair: Pair) -> None:
    buffer, draining = EventBuffer(pair.url), EventBuffer(pair.url)
    answers = cache_server.connect(pair.url)
    limits = Counters(pair.url)
    rate_limiter = SharedRateLimiter(limiter.connect(pair.url), "key", GITHUB_LIMITS, None)

    def use(number: int) -> None:
        """Each by a connection that it keeps; what fails raises."""
        buffer.append({"X-GitHub-Delivery": str(number)}, b"{}")
        [event] = draining.new(10)
        assert event.delivery_id == str(number)
        draining.acknowledge([event.entry_id])
        assert answers.set("key", number)
        counts = limits.hit(["caller"])
        assert counts is not None and counts[0].count == number
        acquired = rate_limiter.acquire(Priority.HEAD, str(number), 1.0, list)
        assert isinstance(acquired, Permit | Wait)

    use(1)
    pair.fail_over()
    use(2)
    assert pair.new_primary.get("key") == b"2"
    assert limits.outage.failure_count == 0
    for client in (buffer, draining, answers, limits):
        client.close()
