"""A small receiver of webhooks on loopback."""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Received:
    """A request that came."""

    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """Answers `status`, or hangs up without an answer where it is None; `held` makes it wait
    before that. `requests` is what came, `peers` from how many connections."""

    url: str
    status: int | None = 202
    requests: list[Received] = field(default_factory=list)
    peers: set[tuple[str, int]] = field(default_factory=set)
    arrived: threading.Condition = field(default_factory=threading.Condition)
    held: threading.Event = field(default_factory=threading.Event)

    def wait_for(self, count: int) -> list[Received]:
        """What came, as soon as it is *count* requests."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.requests) >= count, 20)
            return list(self.requests)


@contextmanager
def receiving() -> Generator[Receiver]:
    """A receiver while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            with receiver.arrived:
                receiver.requests.append(Received(headers, body))
                receiver.peers.add(self.client_address)
                receiver.arrived.notify_all()
            assert receiver.held.wait(20)
            if receiver.status is None:
                self.close_connection = True
                return
            self.send_response(receiver.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver = Receiver(f"http://127.0.0.1:{server.server_port}/hooks")
    receiver.held.set()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.held.set()
        server.shutdown()
        thread.join()
        server.server_close()
