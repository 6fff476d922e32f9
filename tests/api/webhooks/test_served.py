"""The receiver as GitHub meets it: over a socket, under the real server with two workers."""

import json
import os
import random
import re
import select
import socket
import threading
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import psutil  # pyrefly: ignore[untyped-import]
import pytest

from actionsight.api_server import APPLICATION, RECEIVER
from actionsight.local import ValkeyServer, hold
from actionsight.local.valkey import EVENT_BUFFER
from actionsight.loopback import HOST
from actionsight.settings import Settings
from api.bodies import OF_RECEIVER
from tests.api.webhooks.deliveries import BODY, NO_DATABASE_URL, PATH, SECRET, buffered, headers
from tests.support.granian import served
from tests.support.installation import settings_of

pytestmark = pytest.mark.integration

LARGEST = 25 * 1024 * 1024


def settings(redis_url: str) -> Settings:
    """A receiver's installation; there is no such database, and nobody may miss it."""
    return settings_of(
        NO_DATABASE_URL,
        redis_url=redis_url,
        github_webhook_secret=(SECRET,),
        github_client_id="Iv1.actionsight",
        github_client_secret="of the App",
        secret_key="0123456789abcdef0123456789abcdef",
    )


@pytest.fixture(scope="module")
def port(_redis_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    log_file = tmp_path_factory.mktemp("granian") / "granian.log"
    with served("api.wsgi:app", settings(_redis_server).environment(), log_file) as port:
        yield port


@pytest.fixture(scope="module")
def receiver_port(_redis_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The receiver by itself: there is not even the address of a database."""
    log_file = tmp_path_factory.mktemp("receiver") / "granian.log"
    alone = replace(settings(_redis_server), database_url=None)
    with served(RECEIVER, alone.environment(), log_file) as port:
        yield port


@pytest.mark.parametrize(
    "application", [RECEIVER, pytest.param(APPLICATION, marks=pytest.mark.thorough)]
)
def test_workers_end_with_the_server_that_was_killed(
    _redis_server: str, tmp_path: Path, application: str
) -> None:
    environment = settings(_redis_server).environment()
    with served(application, environment, tmp_path / "granian.log") as port:
        processes = psutil.process_iter(["cmdline"])  # of one that has ended: None
        its = [of for of in processes if f"--port={port}" in (of.info["cmdline"] or ())]
        [server] = [of for of in its if of.parent() not in its]
        assert len(its) > 1
        server.kill()
        _, alive = psutil.wait_procs(its, 10)
        assert alive == []


def deliver(port: int, body: bytes, sent: dict[str, str] | None = None) -> HTTPResponse:
    """The answer to a delivery, body read."""
    connection = HTTPConnection(HOST, port, timeout=30)
    try:
        connection.request("POST", PATH, body, sent or headers(body))
        response = connection.getresponse()
        response.read()
        return response
    finally:
        connection.close()


def converse(port: int, sent: bytes, *, ends: bool = False) -> bytes:
    """What comes back for these bytes, up to the end of the answer's headers; b"" when nothing."""
    with socket.create_connection((HOST, port), timeout=10) as connection:
        connection.sendall(sent)
        if ends:
            connection.shutdown(socket.SHUT_WR)
        received = b""
        while b"\r\n\r\n" not in received and (part := connection.recv(65536)):
            received += part
        return received


def head(body: bytes, *lines: bytes) -> bytes:
    """The head of a signed request as bytes, with these lines in place of a Content-Length."""
    fields = [f"{name}: {text}".encode() for name, text in headers(body).items()]
    begin = [b"POST /webhooks/github HTTP/1.1", b"Host: localhost"]
    return b"\r\n".join([*begin, *fields, *lines, b"", b""])


def status(answer: bytes) -> int:
    """The status in the first line of an answer."""
    return int(answer.split(b" ", 2)[1])


def test_a_delivery_is_accepted_and_buffered_as_it_came(port: int, redis_url: str) -> None:
    sent = headers(BODY)
    assert deliver(port, BODY, sent).status == 202
    (event,) = buffered(redis_url)
    assert (zlib.decompress(event.body), event.delivery_id) == (BODY, sent["X-GitHub-Delivery"])


@pytest.mark.parametrize("size", [4 * 1024 * 1024, LARGEST])
def test_a_large_body_is_accepted_up_to_what_github_sends(
    port: int, redis_url: str, size: int
) -> None:
    body = os.urandom(size)
    assert deliver(port, body).status == 202
    (event,) = buffered(redis_url)
    assert zlib.decompress(event.body) == body


@pytest.mark.parametrize("expecting", [(), (b"Expect: 100-continue",)])
def test_a_body_that_is_too_large_is_refused_before_any_of_it_is_sent(
    port: int, redis_url: str, expecting: tuple[bytes, ...]
) -> None:
    """Who asks whether to go on is told no, not yes."""
    request = head(b"", f"Content-Length: {LARGEST + 1}".encode(), *expecting)
    assert status(converse(port, request)) == 413
    assert buffered(redis_url) == []


def chunked(size: int, *lines: bytes) -> bytes:
    """A request to sign in whose body tells no length, and is a form of this size."""
    begin = [b"POST /login HTTP/1.1", b"Host: 127.0.0.1:8000", b"Origin: http://127.0.0.1:8000"]
    body = b"next=/me&x=".ljust(size, b"x")
    chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    return b"\r\n".join([*begin, *lines, b"Transfer-Encoding: chunked", b"", b""]) + chunks


URLENCODED = b"Content-Type: application/x-www-form-urlencoded"
MULTIPART = b"Content-Type: multipart/form-data; boundary=b"


@pytest.mark.parametrize("raw", [b"\xff", "\u00e9".encode(), "\u20ac".encode()])
def test_bytes_that_no_address_has_are_no_fault(port: int, raw: bytes) -> None:
    for line in (b"GET /healthz?q=%s HTTP/1.1", b"GET /%s HTTP/1.1", b"G%sT /healthz HTTP/1.1"):
        for name in (b"X-Request-Id", b"Cookie", b"Authorization"):
            head = [line % raw, b"Host: localhost", name + b": " + raw, b"", b""]
            answer = converse(port, b"\r\n".join(head))
            assert status(answer) < 500, (head, answer)


@pytest.mark.parametrize("path", [b"/login", b"/logout", b"/repositories", b"/stats"])
def test_other_routes_take_64_kib_and_refuse_more_before_any_of_it_is_sent(
    port: int, path: bytes
) -> None:
    lines = [
        b"POST %s HTTP/1.1" % path,
        b"Host: 127.0.0.1:8000",
        b"Origin: http://127.0.0.1:8000",
        MULTIPART,
    ]
    for size in (300_000_000, 64 * 1024 + 1):
        promised = b"Content-Length: %d" % size
        assert status(converse(port, b"\r\n".join([*lines, promised, b"", b""]))) == 413


def test_a_form_whose_length_nobody_tells_is_read_up_to_the_limit(port: int) -> None:
    assert status(converse(port, chunked(64 * 1024 + 1, URLENCODED))) == 413
    # One that fits is read, and fails later: this server has no database.
    assert status(converse(port, chunked(1000, URLENCODED))) == 503


def test_the_head_of_a_request_has_a_limit(port: int) -> None:
    """Of the version of HTTP that has one: the other is not spoken."""
    for size, answered in ((8_000, 400), (20_000, 431)):
        request = b"GET /healthz?%s HTTP/1.1\r\nHost: localhost\r\n\r\n" % (b"q" * size)
        assert status(converse(port, request)) == answered
    assert not converse(port, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").startswith(b"\x00")


def test_a_form_with_files_is_refused_unread(port: int) -> None:
    assert status(converse(port, chunked(1000, MULTIPART))) == 415


def test_a_body_without_a_length_is_refused(port: int, redis_url: str) -> None:
    chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
    assert status(converse(port, head(BODY, b"Transfer-Encoding: chunked") + chunks)) == 411
    assert buffered(redis_url) == []


def test_a_body_that_ends_early_is_not_buffered(port: int, redis_url: str) -> None:
    """The part that came is signed, so that only its length gives it away."""
    request = head(BODY, b"Content-Length: %d" % (len(BODY) + 5)) + BODY
    assert status(converse(port, request, ends=True)) == 400
    assert buffered(redis_url) == []


@pytest.mark.parametrize("value", [b"sha256=\xff\xe9", "sha256=é".encode(), b"sha256=" + b"0" * 64])
def test_a_signature_of_any_bytes_is_refused(port: int, redis_url: str, value: bytes) -> None:
    request = head(BODY, b"Content-Length: %d" % len(BODY)).replace(
        headers(BODY)["X-Hub-Signature-256"].encode(), value
    )
    assert status(converse(port, request + BODY)) == 401
    assert buffered(redis_url) == []


def test_what_many_senders_deliver_at_once_is_buffered_once_each(port: int, redis_url: str) -> None:
    sent: dict[str, bytes] = {}
    lock = threading.Lock()

    def send(seed: int) -> None:
        chance = random.Random(seed)  # noqa: S311 nothing is kept secret by it
        connection = HTTPConnection(HOST, port, timeout=30)
        for _ in range(40):
            body = chance.randbytes(chance.randrange(1, 30_000))
            own = headers(body)
            connection.request("POST", PATH, body, own)
            response = connection.getresponse()
            response.read()
            assert response.status == 202
            with lock:
                sent[own["X-GitHub-Delivery"]] = body
        connection.close()

    with ThreadPoolExecutor(12) as senders:
        list(senders.map(send, range(12)))
    events = buffered(redis_url)
    assert len(events) == len(sent) == 480
    assert {event.delivery_id: zlib.decompress(event.body) for event in events} == sent


def test_the_receiver_by_itself_takes_webhooks_and_nothing_else(
    receiver_port: int, redis_url: str
) -> None:
    assert deliver(receiver_port, BODY).status == 202
    assert deliver(receiver_port, BODY, headers(BODY, X_Hub_Signature_256=None)).status == 401
    assert len(buffered(redis_url)) == 1
    for path, answered in (("/healthz", 200), ("/readyz", 404), ("/stats", 404), ("/login", 404)):
        request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        assert status(converse(receiver_port, request)) == answered


def test_slow_bodies_leave_the_receiver_to_others(receiver_port: int, redis_url: str) -> None:
    """From this address, the same as theirs, 64 bodies are read at once: the next is put off until
    one of them has come or gone."""
    with ExitStack() as slow:
        promised = head(BODY, b"Content-Length: %d" % len(BODY)) + BODY[:-1]
        connections = [
            slow.enter_context(socket.create_connection((HOST, receiver_port), timeout=30))
            for _ in range(100)
        ]
        for connection in connections:
            connection.sendall(promised)
        answered: list[socket.socket] = []
        end = time.monotonic() + 60
        while len(answered) < 100 - OF_RECEIVER.most_of_address and time.monotonic() < end:
            answered = select.select(connections, [], [], 1)[0]
        assert len(answered) == 100 - OF_RECEIVER.most_of_address
        refused = deliver(receiver_port, BODY)
        assert (refused.status, refused.headers["Retry-After"]) == (503, "5")
        assert deliver(receiver_port, BODY, headers(BODY, X_GitHub_Event=None)).status == 400
        waiting = next(each for each in connections if each not in answered)
        waiting.sendall(BODY[-1:])
        assert status(waiting.recv(1000)) == 202
        assert deliver(receiver_port, BODY).status == 202
    assert len(buffered(redis_url)) == 2


def test_while_redis_is_away_deliveries_are_refused_and_then_accepted_again(
    tmp_path: Path, services_folder: Path
) -> None:
    server = ValkeyServer(services_folder / "away", "event buffer", EVENT_BUFFER)
    with (
        hold(server) as url,
        served(RECEIVER, settings(url).environment(), tmp_path / "granian.log") as port,
    ):
        for _ in range(8):
            assert deliver(port, BODY).status == 202
        server.stop()
        for _ in range(8):
            refused = deliver(port, BODY)
            assert (refused.status, refused.headers["Retry-After"]) == (503, "5")
        assert server.start() == url
        for _ in range(8):
            assert deliver(port, BODY).status == 202
        assert len(buffered(url)) == 16
    log = (tmp_path / "granian.log").read_text()
    assert log.count("webhook refused: buffer_unavailable") == 1
    lines = [json.loads(line) for line in log.splitlines()]
    assert all(line.keys() >= {"timestamp", "level", "logger", "event"} for line in lines), log
    [refusal] = [line for line in lines if line["logger"] == "api.webhooks.views"]
    assert re.fullmatch("[0-9a-f]{32}", refusal["request_id"])
    assert "workflow_run" not in log
