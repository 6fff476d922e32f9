"""Embedded servers are shared, survive a killed command, and leave nothing when all have left."""

import errno
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import psutil  # pyrefly: ignore[untyped-import]
import pytest
import redis

from actionsight.database import connect
from actionsight.local import EmbeddedServerError, PostgresqlServer, ValkeyServer, hold
from actionsight.local import server as embedded
from actionsight.local.server import SERVES, SILENT, Condition
from actionsight.local.valkey import EVENT_BUFFER
from actionsight.settings import ROOT
from tests.small_disk import small_disk
from tests.support.services import FAST

pytestmark = pytest.mark.integration

HOLD_UNTIL_KILLED = """
import sys, time
from pathlib import Path
from actionsight.local import ValkeyServer, hold
from actionsight.local.valkey import EVENT_BUFFER
with hold(ValkeyServer(Path(sys.argv[1]), "the event buffer", EVENT_BUFFER)) as url:
    print(url, flush=True)
    time.sleep(600)
"""

HOLD_UNTIL_TOLD = """
import sys
from pathlib import Path
from actionsight.local import ValkeyServer, hold, server
from actionsight.local.valkey import EVENT_BUFFER
server.FIRST_WORD_SECONDS = 0
with hold(ValkeyServer(Path(sys.argv[1]), "the event buffer", EVENT_BUFFER)) as url:
    print(url, flush=True)
    sys.stdin.readline()
"""


def servers_in(folder: Path) -> list[int]:
    """The processes that work in the folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "cwd").readlink() == folder:
                found.append(int(process.name))
    return found


def buffer_in(folder: Path) -> ValkeyServer:
    return ValkeyServer(folder, "the event buffer", EVENT_BUFFER)


def test_the_last_to_leave_ends_the_server_and_data_is_there_at_the_next_start(
    tmp_path: Path,
) -> None:
    with hold(buffer_in(tmp_path)) as url:
        with hold(buffer_in(tmp_path)) as same_url:
            assert same_url == url
            with redis.Redis.from_url(url) as client:
                client.set("kept", "1")
        assert buffer_in(tmp_path).running_url() == url
    assert buffer_in(tmp_path).running_url() is None
    with hold(buffer_in(tmp_path)) as url, redis.Redis.from_url(url) as client:
        assert client.get("kept") == b"1"


def test_a_server_that_outlived_a_killed_command_is_adopted_and_ended(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD_UNTIL_KILLED, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        url = holder.stdout.readline().strip()
        holder.send_signal(signal.SIGKILL)
    assert buffer_in(tmp_path).running_url() == url
    with hold(buffer_in(tmp_path)) as adopted:
        assert adopted == url
    assert buffer_in(tmp_path).running_url() is None


def test_a_server_that_lives_and_is_silent_is_waited_for_and_never_doubled(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD_UNTIL_TOLD, str(tmp_path)]
    with ExitStack() as stack:
        url = stack.enter_context(hold(buffer_in(tmp_path)))
        client = stack.enter_context(redis.Redis.from_url(url))
        client.set("acknowledged", "before")
        pid = client.info("server")["process_id"]
        os.kill(pid, signal.SIGSTOP)
        beside = [
            stack.enter_context(
                subprocess.Popen(
                    command,
                    cwd=ROOT,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
            for _ in range(2)
        ]
        for process in beside:
            assert process.stderr is not None
            assert "does not answer yet" in process.stderr.readline()
        assert servers_in(tmp_path) == [pid]
        os.kill(pid, signal.SIGCONT)
        client.set("acknowledged", "after")
        for process in beside:
            found, _ = process.communicate("leave\n", timeout=60)
            assert found.strip() == url
        assert client.info("server")["process_id"] == pid
        assert servers_in(tmp_path) == [pid]
    with hold(buffer_in(tmp_path)) as url, redis.Redis.from_url(url) as client:
        assert client.get("acknowledged") == b"after"


def test_a_recovery_takes_as_long_as_it_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = buffer_in(tmp_path)
    recovers = Condition(recovering="half of it is read")
    conditions = [SILENT, *[recovers] * 10, SILENT, SERVES]
    asked: list[str] = []

    def condition(url: str) -> Condition:
        asked.append(url)
        return conditions.pop(0)

    # An hour passes between two looks.
    clock = SimpleNamespace(monotonic=lambda: 3600 * len(asked), sleep=lambda _: None)
    with hold(server) as url:
        monkeypatch.setattr(server, "condition", condition)
        monkeypatch.setattr(embedded, "SILENT_SECONDS", 2 * 3600)
        monkeypatch.setattr(embedded, "time", clock)
        assert server.start() == url
        conditions[:] = [SILENT] * 10
        with pytest.raises(EmbeddedServerError):
            server.start()


def test_an_event_buffer_that_reads_its_file_says_how_far_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        hold(buffer_in(tmp_path)) as url,
        redis.Redis.from_url(url) as client,
        client.pipeline(transaction=False) as pipeline,
    ):
        for n in range(3_000):
            pipeline.set(f"key {n}", n)
        pipeline.execute()
    monkeypatch.setattr(embedded, "FIRST_WORD_SECONDS", 0)
    slow = ValkeyServer(tmp_path, "the event buffer", (*EVENT_BUFFER, "key-load-delay 400"))
    told: list[str] = []
    with hold(slow, told.append) as url, redis.Redis.from_url(url) as client:
        assert client.dbsize() == 3_000
    assert told


def test_a_cluster_that_recovers_says_so(tmp_path: Path) -> None:
    server = PostgresqlServer(tmp_path)
    server.log_file.write_text("redo in progress, elapsed time: 10.00 s\n")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        answering = threading.Thread(target=starts_up, args=[listener])
        answering.start()
        port = listener.getsockname()[1]
        found = server.condition(f"postgresql://actionsight:p@127.0.0.1:{port}/actionsight")
        answering.join()
    assert found == Condition(recovering="redo in progress, elapsed time: 10.00 s")


def starts_up(listener: socket.socket) -> None:
    """Answer a session as PostgreSQL does while it recovers."""
    words = b"SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0"
    client, _ = listener.accept()
    with client:
        # A request for encryption has 8 bytes and is refused; then comes the real one.
        while len(client.recv(10_000)) == 8:
            client.sendall(b"N")
        client.sendall(b"E" + (len(words) + 4).to_bytes(4, "big") + words)


def test_a_server_that_stays_silent_is_an_error_that_names_it_and_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hold(buffer_in(tmp_path)) as url, redis.Redis.from_url(url) as client:
        pid = client.info("server")["process_id"]
        monkeypatch.setattr(embedded, "SILENT_SECONDS", 0.2)
        os.kill(pid, signal.SIGSTOP)
        try:
            with (
                pytest.raises(EmbeddedServerError, match=f"process {pid}"),
                hold(buffer_in(tmp_path)),
            ):
                pass
        finally:
            os.kill(pid, signal.SIGCONT)
        assert client.ping()


def test_stopping_waits_for_what_a_server_brings_to_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "FIRST_WORD_SECONDS", 0)
    told: list[str] = []
    server = buffer_in(tmp_path)
    with redis.Redis.from_url(server.start()) as client:
        pid = client.info("server")["process_id"]
    os.kill(pid, signal.SIGSTOP)  # as busy as one that writes a checkpoint

    def wake(line: str) -> None:
        told.append(line)
        os.kill(pid, signal.SIGCONT)

    server.stop(wake)
    assert servers_in(tmp_path) == []
    assert "shutdown" in server.log_file.read_text().lower(), "it was killed"
    assert told


def test_a_killed_server_is_started_again(tmp_path: Path) -> None:
    server = buffer_in(tmp_path)
    with hold(server) as url:
        with redis.Redis.from_url(url) as client:
            client.set("kept", "1")
            pid = client.info("server")["process_id"]
        os.kill(pid, signal.SIGKILL)
        # Threads of its that still end hold its lock a moment longer.
        while not server.start_again():
            time.sleep(0.01)
        assert not server.start_again(), "it lives"
        assert not psutil.pid_exists(pid), "the killed one was never waited for"
        with hold(server) as again, redis.Redis.from_url(again) as client:
            assert again == url
            assert client.get("kept") == b"1"


@pytest.mark.parametrize(
    "kind",
    [
        partial(ValkeyServer, label="the event buffer", role=EVENT_BUFFER),
        partial(PostgresqlServer, settings=FAST),
    ],
    ids=["Valkey", "PostgreSQL"],
)
def test_a_copy_that_is_started_at_once_is_not_taken_for_the_other(
    kind: Callable[[Path], ValkeyServer | PostgresqlServer],
    services_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    original = kind(services_folder / "original" / "server")
    with hold(original):
        pass
    subprocess.run(["cp", "-a", original.folder.parent, services_folder / "copy"], check=True)
    copy = kind(services_folder / "copy" / "server")
    with hold(original) as url:
        # As where both looked before either listened.
        looked: list[int] = []

        def look(wanted: int = 0) -> int:
            looked.append(wanted)
            return wanted if len(looked) == 1 else embedded_free_port(wanted)

        embedded_free_port = embedded.free_port
        monkeypatch.setattr(embedded, "free_port", look)
        with hold(copy) as copied_url:
            assert copied_url != url
            assert copy.process_id != original.process_id


def test_one_that_cannot_be_noted_does_not_live_on_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = buffer_in(tmp_path)

    def full(_: Path, __: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
        patch.setattr(embedded, "write_atomically", full)
        server.launch_unless_alive()
    with hold(server) as url, redis.Redis.from_url(url) as client:
        assert client.ping()


def test_half_a_file_is_not_left(tmp_path: Path) -> None:
    with small_disk(tmp_path / "full", megabytes=1) as disk, disk.full():
        with pytest.raises(OSError, match="No space left"):
            embedded.write_atomically(disk.folder / "process.json", "{}")
        assert {path.name for path in disk.folder.iterdir()} == {"ballast"}


def test_the_event_buffer_keeps_everything_and_the_cache_may_forget(
    redis_url: str, cache_url: str
) -> None:
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        kept = {**client.config_get("append*"), **client.config_get("maxmemory-policy")}
    assert kept["appendonly"] == "yes"
    assert kept["appendfsync"] == "always"
    assert kept["maxmemory-policy"] == "noeviction"
    with redis.Redis.from_url(cache_url, decode_responses=True) as client:
        assert client.config_get("appendonly") == {"appendonly": "no"}
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "allkeys-lru"}
        assert client.config_get("maxmemory") == {"maxmemory": str(128 * 1024 * 1024)}


def test_neither_server_opens_without_its_password(redis_url: str, database_url: str) -> None:
    address = redis_url.rpartition("@")[2]
    with (
        redis.Redis.from_url(f"redis://{address}") as client,
        pytest.raises(redis.AuthenticationError),
    ):
        client.ping()
    port = database_url.rpartition(":")[2].partition("/")[0]
    with pytest.raises(Exception, match="password authentication failed"):
        connect(f"postgresql://actionsight:wrong@127.0.0.1:{port}/actionsight")


def test_all_who_make_a_secret_at_once_get_the_same(tmp_path: Path) -> None:
    path = tmp_path / "data" / "secret-key"
    with ThreadPoolExecutor(16) as threads:
        made = list(threads.map(lambda _: embedded.secret_in(path), range(64)))
    assert len(set(made)) == 1
    assert len(made[0]) >= 32
    assert [file.name for file in path.parent.iterdir()] == ["secret-key"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_empty_secret_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret-key").touch()
    with pytest.raises(EmbeddedServerError, match="secret-key should hold a secret"):
        embedded.secret_in(tmp_path / "secret-key")


def test_passwords_are_readable_by_their_owner_alone(services_folder: Path, redis_url: str) -> None:
    secrets = [services_folder / "event-buffer" / name for name in ("password", "valkey.conf")]
    assert {stat.S_IMODE(path.stat().st_mode) for path in secrets} == {0o600}


def test_postgresql_is_18_in_utc_and_an_interrupted_first_start_heals(
    services_folder: Path,
) -> None:
    folder = services_folder / "interrupted"
    server = PostgresqlServer(folder, FAST)
    folder.mkdir()
    server.prepare()
    half_made = server.home / "cluster.new"
    (server.home / "cluster").rename(half_made)
    (half_made / "PG_VERSION").unlink()
    with hold(server) as url, connect(url) as connection:
        version, zone = connection.execute(
            "select current_setting('server_version_num')::int / 10000, current_setting('timezone')"
        ).fetchone() or (None, None)
    assert (version, zone) == (18, "UTC")
