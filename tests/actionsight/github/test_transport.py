"""The way to GitHub: a proxy with a password, a private authority, an answer that has no end."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from actionsight.github.diagnostics import check
from actionsight.github.errors import BadCredentialError, UnavailableError
from actionsight.github.oauth import OAuthClient
from actionsight.github.rate_limit.models import Priority
from actionsight.github.retries import RetryPolicy
from actionsight.github.transport import Timeout, Transport
from actionsight.settings import Settings
from github_standin.server.server import Server
from github_standin.world.world import World
from tests.actionsight.github.conftest import MakeRouter
from tests.actionsight.github.factories import PATH, REPOSITORY

pytestmark = pytest.mark.integration

WHO = "Basic dXNlcjpwQHNz"  # user:p@ss
# Known to the proxy alone; what is on this machine is asked directly.
HOST = "github.example"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for two names that signs itself, with its key behind it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "A private authority")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.DNSName(HOST)]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("authority") / "ca.pem"
    file.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return file


def pump(source: socket.socket, target: socket.socket) -> None:
    """Pass bytes on until there are no more."""
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    for each in (source, target):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


def join(one: socket.socket, other: socket.socket) -> None:
    """Pass bytes on in both directions."""
    with other:
        back = threading.Thread(target=pump, args=(other, one), daemon=True)
        back.start()
        pump(one, other)
        back.join()


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Generator[int]:
    """A server on loopback that serves each connection in a thread; gives its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threads: list[threading.Thread] = []

        def answer(connection: socket.socket) -> None:
            with connection, suppress(OSError):
                serve(connection)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    threads.append(
                        threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True)
                    )
                    threads[-1].start()

        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        for each in (accepting, *threads):
            each.join(10)


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


@pytest.fixture
def secure_port(server: Server, authority: Path) -> Iterator[int]:
    """The stand-in behind TLS."""
    with serving_securely(server, authority) as port:
        yield port


@contextmanager
def serving_securely(server: Server, authority: Path) -> Generator[int]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(authority)

    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secured:
            join(secured, socket.create_connection(("127.0.0.1", port_of(server.url))))

    with listening(serve) as port:
        yield port


@pytest.fixture
def proxied(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A proxy that wants a password, for https; gives what it was asked for, password first."""
    asked: list[str] = []

    def serve(connection: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(65_536)
        first, *lines = head.decode().split("\r\n")
        split = (line.lower().partition(": ") for line in lines if line)
        named = {name: value for name, _, value in split}
        given = named.get("proxy-authorization", "")
        asked.append(f"{given} {first}")
        if given != WHO.lower():
            connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
            return
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        host, port = first.split()[1].split(":")
        assert host == HOST
        join(connection, socket.create_connection(("127.0.0.1", int(port))))

    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with listening(serve) as port:
        for name in ("https_proxy", "HTTPS_PROXY"):
            monkeypatch.setenv(name, f"http://user:p%40ss@127.0.0.1:{port}")
        yield asked


def test_a_private_authority_is_trusted_beside_the_systems(
    make_router: MakeRouter, asked: Settings, secure_port: int, authority: Path
) -> None:
    there = replace(asked, github_api_url=f"https://localhost:{secure_port}")
    trusting = make_router(replace(there, ca_file=authority))
    assert trusting.client(REPOSITORY, Priority.HEAD).get(PATH).body["full_name"] == REPOSITORY
    with pytest.raises(UnavailableError, match="SSLError"):
        make_router(there).client(REPOSITORY, Priority.HEAD).get(PATH)


def test_a_proxy_is_given_its_password_and_doctor_names_it(
    make_router: MakeRouter, asked: Settings, secure_port: int, authority: Path, proxied: list[str]
) -> None:
    there = replace(asked, github_api_url=f"https://{HOST}:{secure_port}", ca_file=authority)
    assert (
        make_router(there).client(REPOSITORY, Priority.HEAD).get(PATH).body["full_name"]
        == REPOSITORY
    )
    assert [line.rpartition(" ")[0] for line in proxied] == [
        f"{WHO.lower()} CONNECT {HOST}:{secure_port}"
    ]
    found = {finding.subject: finding.says for finding in check(make_router(there), [])}
    assert "is asked by http://127.0.0.1:" in found["GitHub's proxy"]
    assert str(authority) in found["certificates"]
    assert "p@ss" not in str(found)
    assert "p%40ss" not in str(found)


def as_app(settings: Settings, make_router: MakeRouter, world: World) -> None:
    world.people.install("octo")
    client = make_router(settings).client("octo/app", Priority.HEAD)
    assert client.get("/repos/octo/app").body["full_name"] == "octo/app"


def as_person(settings: Settings, _: MakeRouter, world: World) -> None:
    user = world.people.add_user("ada")
    token = world.people.issue_token(user).access_token
    with closing(OAuthClient(settings)) as oauth:
        assert oauth.read_account(token).login == "ada"


def as_oauth_client(settings: Settings, _: MakeRouter, __: World) -> None:
    with closing(OAuthClient(settings)) as oauth, pytest.raises(BadCredentialError):
        oauth.refresh("of nobody")


@pytest.mark.parametrize("ask", [as_app, as_person, as_oauth_client])
def test_everybody_goes_the_same_way(
    make_router: MakeRouter,
    app: Settings,
    app_server: Server,
    world: World,
    authority: Path,
    proxied: list[str],
    ask: Callable[[Settings, MakeRouter, World], None],
) -> None:
    with serving_securely(app_server, authority) as port:
        url = f"https://{HOST}:{port}"
        by_client = replace(app, github_client_id="client", github_client_secret="secret")
        there = replace(by_client, github_api_url=url, github_url=url, ca_file=authority)
        ask(there, make_router, world)
    assert {line.split()[1] for line in proxied} == {WHO.lower().split()[1]}


def test_what_is_on_this_machine_is_never_asked_by_a_proxy(
    make_router: MakeRouter, asked: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert make_router().client(REPOSITORY, Priority.HEAD).get(PATH).body["full_name"] == REPOSITORY


def test_netrc_is_not_read_and_a_proxy_serves_plain_http(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine github.example login someone password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    heads: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        heads.append(connection.recv(65_536))
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    with listening(serve) as port:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
        transport = Transport("http://github.example")
        assert transport.send("GET", transport.url("/x")).status == 200
        transport.close()
    (head,) = heads
    assert head.startswith(b"GET http://github.example/x ")
    assert b"authorization" not in head.lower()


def test_a_redirect_is_the_client_s_to_follow() -> None:
    asked: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        asked.append(connection.recv(65_536))
        connection.sendall(
            b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"
        )

    with listening(serve) as port:
        transport = Transport(f"http://127.0.0.1:{port}")
        assert transport.send("GET", transport.url("/x")).status == 307
        transport.close()
    assert len(asked) == 1


@pytest.mark.parametrize("length", [b"", b"Content-Length: 1000\r\n"])
@pytest.mark.parametrize("who", ["token", "app"])
def test_an_answer_that_trickles_is_given_up(
    make_router: MakeRouter,
    asked: Settings,
    app: Settings,
    retry_policy: RetryPolicy,
    who: str,
    length: bytes,
) -> None:
    hasty = replace(retry_policy, timeout=Timeout(connect_seconds=5, total_seconds=0.1))

    def trickle(connection: socket.socket) -> None:
        connection.recv(65_536)
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" + length + b"\r\n"
        answer = head + b" " * 1_000
        for byte in answer:
            connection.sendall(bytes([byte]))
            time.sleep(0.02)

    with listening(trickle) as port:
        by = app if who == "app" else asked
        there = replace(by, github_api_url=f"http://127.0.0.1:{port}")
        began = time.monotonic()
        with pytest.raises(UnavailableError, match="no whole answer in time"):
            make_router(there, retry_policy=hasty).client(REPOSITORY, Priority.HEAD).get(PATH)
    assert time.monotonic() - began < 10


def test_a_deadline_ends_what_trickles_and_what_is_tried_again(app: Settings) -> None:
    asked: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        asked.append(connection.recv(65_536))
        for _ in range(100):
            connection.sendall(b" ")
            time.sleep(0.05)

    with listening(serve) as port:
        there = replace(app, github_api_url=f"http://127.0.0.1:{port}")
        began = time.monotonic()
        with closing(OAuthClient(there)) as oauth, pytest.raises(UnavailableError):
            oauth.client_of("ghu_of_a_person", deadline=began + 0.5).get("/user")
        assert time.monotonic() - began < 5
    assert len(asked) == 1
