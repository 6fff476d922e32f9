"""Every attack of the review of the edges, tried against a running installation and refused.

Each is what an outsider, a neighbour on the machine, a web page or a bad day does, and says by an
AssertionError what it got. `python -m tests.security` starts an installation and tries them all;
the gate does the same inside its end-to-end test.
"""

import http.client
import re
import signal
import socket
import stat
import struct
import subprocess
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psutil  # pyrefly: ignore[untyped-import]

from actionsight.loopback import HOST
from tests.end_to_end.demonstration import Demonstration
from tests.security.dagster_requests import (
    REFUSED,
    REFUSED_READ_ONLY,
    send,
    websocket_status,
)

FORM = "application/x-www-form-urlencoded"
PATIENCE_SECONDS = 60
OTHERS_READ_OR_WRITE = stat.S_IRGRP | stat.S_IWGRP | stat.S_IROTH | stat.S_IWOTH
OTHERS_ENTER = stat.S_IXGRP | stat.S_IXOTH
POSTGRESQL_SASL = 10  # the authentication that PostgreSQL asks for: SCRAM


@dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes


def ask(
    port: int,
    method: str,
    path: str,
    headers: dict[str, str] | None = None,
    body: bytes = b"",
    *,
    length: int | None = None,
) -> Answer:
    """An answer; with `length` more of a body is announced than is sent."""
    connection = http.client.HTTPConnection(HOST, port, timeout=PATIENCE_SECONDS)
    try:
        connection.putrequest(method, path)
        for name, value in (headers or {}).items():
            connection.putheader(name, value)
        if body or length is not None:
            connection.putheader("Content-Length", str(len(body) if length is None else length))
        connection.endheaders(body or None)
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())
    finally:
        connection.close()


def processes_of(target: Demonstration) -> list[psutil.Process]:
    """All that `actionsight up` started, itself included."""
    up = psutil.Process(target.pid)
    return [up, *up.children(recursive=True)]


def dagsters_port_gives_no_secret_and_changes_nothing(target: Demonstration) -> None:
    """A1: whoever reaches Dagster's port, a neighbour or a web page."""
    for request in [*REFUSED, *REFUSED_READ_ONLY]:
        status, body = send(target.dagster_port, request)
        assert status == request.status, f"{request.what}: {status} {body[:300]}"
        assert "PRIVATE KEY" not in body
    assert websocket_status(target.dagster_port, Origin="https://evil.example") == 403
    logged = subprocess.run(
        ["grep", "--recursive", "--files-with-matches", "no loop is called", target.data_dir],
        capture_output=True,
        text=True,
        check=False,
    )
    assert not logged.stdout, "a run's configuration was echoed"


def no_port_is_open_that_was_not_said(target: Demonstration) -> None:
    """A1: every TCP port is one that `up` printed, or asks for a password."""
    said = {target.api_port, target.receiver_port, target.dagster_port}
    said |= {int(port) for port in re.findall(rf"{re.escape(HOST)}:(\d+)", target.output)}
    for process in processes_of(target):
        for address, port in _listening(process):
            assert address in {HOST, "::1"}, (process, address)
            assert port in said or _wants_a_password(port), (process, port)


def no_process_has_a_secret_that_it_does_not_need(target: Demonstration) -> None:
    """A1, C17: what Dagster's webserver and daemon, and the API's WSGI environ could show."""
    secrets = {
        path.name: path.read_text().strip()
        for path in target.data_dir.rglob("*")
        if path.name in {"webhook-secret", "client-secret", "secret-key"} and path.is_file()
    }
    assert len(secrets) == 3, secrets.keys()
    seen = 0
    for process in processes_of(target):
        try:
            command, environment = " ".join(process.cmdline()), process.environ()
        except psutil.NoSuchProcess:
            continue  # a session of PostgreSQL's that has ended meanwhile
        if "orchestration.webserver" in command or "orchestration.daemon" in command:
            seen += 1
            values = "\n".join(environment.values())
            for name, secret in secrets.items():
                assert secret not in values, f"{name} in the environment of {command}"
            assert not environment.get("ACTIONSIGHT_GITHUB_TOKEN")
            assert not environment.get("ACTIONSIGHT_REDIS_URL")
    assert seen >= 2


def a_large_body_is_refused_before_it_is_read(target: Demonstration) -> None:
    """A2: a file part of 300 MB at `/login`, announced, chunked, and at every other route."""
    origin = {"Origin": f"http://{HOST}:{target.api_port}"}
    multipart = {**origin, "Content-Type": "multipart/form-data; boundary=b"}
    part = b'--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n' + b"0" * 4096
    refused = ask(target.api_port, "POST", "/login", multipart, part, length=300_000_000)
    assert refused.status in {413, 415}, refused
    for path in ("/login", "/logout", "/repositories", "/stats", "/none"):
        form = {**origin, "Content-Type": FORM}
        refused = ask(target.api_port, "POST", path, form, b"next=/me", length=300_000_000)
        assert 400 <= refused.status < 500, (path, refused)
    assert _chunked_status(target.api_port, "/login", origin) in {413, 415}
    assert _chunked_status(target.api_port, "/repositories", origin) in {401, 403, 413, 415}
    small = ask(target.api_port, "POST", "/login", {**origin, "Content-Type": FORM}, b"next=/me")
    assert small.status == 303, small


def unsigned_webhooks_fill_no_log(target: Demonstration) -> None:
    """A2: a flood of them is counted, and costs a line a minute and reason."""
    logs = target.data_dir / "logs"
    before = _size(logs)
    headers = {
        "Content-Type": "application/json",
        "X-GitHub-Event": "ping",
        "X-GitHub-Delivery": str(uuid4()),
    }
    for _ in range(500):
        unsigned = ask(target.receiver_port, "POST", "/webhooks/github", headers, b"{}")
        assert unsigned.status == 401, unsigned
    forged = {**headers, "X-Hub-Signature-256": f"sha256={'0' * 64}"}
    for _ in range(500):
        wrong = ask(target.receiver_port, "POST", "/webhooks/github", forged, b"{}")
        assert wrong.status == 401, wrong
    assert _size(logs) - before < 50_000
    counted = ask(target.api_port, "GET", "/metrics").body.decode()
    refusals = re.findall(r"actionsight_webhook_refusals_total\{[^}]*\} (\S+)", counted)
    assert sum(map(float, refusals)) >= 1000


def a_stalled_event_buffer_is_waited_for_and_never_doubled(target: Demonstration) -> None:
    """A3: an fsync takes some seconds while three commands begin."""
    folder = (target.data_dir / "event-buffer").resolve()
    [server] = [process for process in processes_of(target) if _serves(process, folder)]
    with ExitStack() as stack:
        server.send_signal(signal.SIGSTOP)
        try:
            commands = [stack.enter_context(target.start("repositories", "list")) for _ in range(3)]
            time.sleep(4)  # longer than the second after which a ping was given up
        finally:
            server.send_signal(signal.SIGCONT)
        for command in commands:
            output, _ = command.communicate(timeout=PATIENCE_SECONDS)
            assert command.returncode == 0, output
    everywhere = [process for process in psutil.process_iter() if _serves(process, folder)]
    assert [p.pid for p in everywhere] == [server.pid]
    assert target.deliver({"action": "requested", "repository": {"id": 1}}) == 202


def slow_bodies_hold_up_no_webhook(target: Demonstration) -> None:
    """A5: senders that promise a body and take their time, at the API and at the receiver."""
    with ExitStack() as stack:
        for _ in range(50):
            stack.enter_context(_slow_body(target.api_port, "/login"))
        for _ in range(50):
            stack.enter_context(_slow_body(target.receiver_port, "/webhooks/github"))
        begun = time.monotonic()
        delivery: dict[str, object] = {"action": "requested", "repository": {"id": 1}}
        assert target.deliver(delivery, port=target.receiver_port) == 202
        assert ask(target.api_port, "GET", "/healthz").status == 200
        assert time.monotonic() - begun < 10, "GitHub would have given up"


def what_strangers_ask_is_short_and_cheap(target: Demonstration) -> None:
    """B3, D: made-up parameters, tokens, page tokens and ids."""
    many = "&".join(f"unknown{number}" for number in range(2_000))
    for path in (f"/healthz?{many}", f"/healthz?{'a' * 300_000}"):
        refused = ask(target.api_port, "GET", path)
        assert 400 <= refused.status < 500, refused.status
        assert len(refused.body) < 20_000
    bearer = {"Authorization": f"Bearer {target.token}"}
    for page in ("AA", "bnVsbAA=", "eyJhIjogIlx1MDAwMCJ9", "%00", "-" * 5_000):
        refused = ask(target.api_port, "GET", f"/workflows?page={page}", bearer)
        assert 400 <= refused.status < 500, (page, refused)
    for made_up in ("ghp_" + "a" * 36, "github_pat_" + "a" * 22, "as_" + "a" * 43):
        refused = ask(target.api_port, "GET", "/stats", {"Authorization": f"Bearer {made_up}"})
        assert refused.status == 401, refused
        assert made_up.encode() not in refused.body


def another_hosts_name_is_not_served(target: Demonstration) -> None:
    """DNS rebinding at the API."""
    for path in ("/stats", "/", "/metrics"):
        refused = ask(target.api_port, "GET", path, {"Host": "rebound.example"})
        assert 400 <= refused.status < 500, (path, refused)


def no_other_user_reads_what_is_stored(target: Demonstration) -> None:
    """B5: payloads of private repositories, logs, passwords."""
    readable = list(_open_to_others(target.folder))
    assert readable == [], readable


def a_read_token_changes_nothing(target: Demonstration) -> None:
    """B7: the token that `up` prints, and one for Prometheus."""
    made = target.run("tokens", "create", "--name", "prometheus", "--scope", "metrics")
    assert made.returncode == 0, made.stderr
    [metrics] = re.findall(r"\bas_\S+", made.stdout)
    for token in (metrics, target.token):
        bearer = {"Authorization": f"Bearer {token}"}
        for method, path in (("DELETE", "/repositories/1?purge=true"), ("POST", "/repositories")):
            refused = ask(
                target.api_port,
                method,
                path,
                {**bearer, "Content-Type": "application/json"},
                b'{"full_name": "a/b"}' if method == "POST" else b"",
            )
            assert refused.status == 403, (path, refused)
    bearer = {"Authorization": f"Bearer {metrics}"}
    assert ask(target.api_port, "GET", "/metrics", bearer).status == 200
    assert ask(target.api_port, "GET", "/stats", bearer).status == 403


ATTACKS: tuple[Callable[[Demonstration], None], ...] = (
    dagsters_port_gives_no_secret_and_changes_nothing,
    no_port_is_open_that_was_not_said,
    no_process_has_a_secret_that_it_does_not_need,
    a_large_body_is_refused_before_it_is_read,
    unsigned_webhooks_fill_no_log,
    a_stalled_event_buffer_is_waited_for_and_never_doubled,
    slow_bodies_hold_up_no_webhook,
    what_strangers_ask_is_short_and_cheap,
    another_hosts_name_is_not_served,
    no_other_user_reads_what_is_stored,
    a_read_token_changes_nothing,
)


def _listening(process: psutil.Process) -> list[tuple[str, int]]:
    """Addresses and ports where it takes TCP connections."""
    try:
        connections = process.net_connections("tcp")
    except psutil.NoSuchProcess:
        return []
    return [c.laddr for c in connections if c.status == psutil.CONN_LISTEN]


def _wants_a_password(port: int) -> bool:
    """Whether it is a Valkey or a PostgreSQL that lets nobody in without one."""
    if _first_words(port, b"PING\r\n").startswith(b"-NOAUTH"):
        return True
    names = b"user\0actionsight\0database\0actionsight\0\0"
    answer = _first_words(port, struct.pack("!ii", 8 + len(names), 0x30000) + names)
    return answer[:1] == b"R" and answer[5:9] == struct.pack("!i", POSTGRESQL_SASL)


def _first_words(port: int, words: bytes) -> bytes:
    """What a port answers to these bytes; nothing where it waits for more."""
    with socket.create_connection((HOST, port), timeout=5) as connection:
        try:
            connection.sendall(words)
            return connection.recv(100)
        except OSError:
            return b""


def _chunked_status(port: int, path: str, headers: dict[str, str]) -> int:
    """The status of a chunked body that never ends by itself."""
    with socket.create_connection((HOST, port), timeout=PATIENCE_SECONDS) as connection:
        lines = [f"POST {path} HTTP/1.1", f"Host: {HOST}:{port}", f"Content-Type: {FORM}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += ["Transfer-Encoding: chunked", "", ""]
        connection.sendall("\r\n".join(lines).encode())
        chunk = b"10000\r\n" + b"a" * 0x10000 + b"\r\n"
        try:
            for _ in range(64):
                connection.sendall(chunk)
        except OSError:
            pass  # refused in the midst: the answer may have come already
        answer = connection.recv(4096).decode(errors="replace")
    return int(answer.split()[1])


@contextmanager
def _slow_body(port: int, path: str) -> Generator[None]:
    with socket.create_connection((HOST, port), timeout=PATIENCE_SECONDS) as connection:
        lines = [
            f"POST {path} HTTP/1.1",
            f"Host: {HOST}:{port}",
            f"Origin: http://{HOST}:{port}",
            f"Content-Type: {'application/json' if 'webhooks' in path else FORM}",
            "X-GitHub-Event: ping",
            "X-GitHub-Delivery: 00000000-0000-0000-0000-000000000000",
            f"X-Hub-Signature-256: sha256={'0' * 64}",
            "Content-Length: 60000",
            "",
            "a",
        ]
        connection.sendall("\r\n".join(lines).encode())
        yield


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _serves(process: psutil.Process, folder: Path) -> bool:
    """Whether it is a Valkey that works in a folder."""
    try:
        return "valkey-server" in "".join(process.cmdline()[:1]) and process.cwd() == str(folder)
    except psutil.Error:
        return False


def _open_to_others(folder: Path) -> Iterator[Path]:
    """What other users of the machine can reach below a folder, and read or write."""
    if folder.stat().st_mode & OTHERS_READ_OR_WRITE:
        yield folder
    for path in folder.iterdir():
        if path.is_symlink():
            continue
        try:
            mode = path.stat().st_mode
        except FileNotFoundError:
            continue
        if path.is_dir() and mode & OTHERS_ENTER:
            yield from _open_to_others(path)
        elif mode & OTHERS_READ_OR_WRITE:
            yield path
