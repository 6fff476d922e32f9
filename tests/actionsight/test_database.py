"""Sessions are what was asked for, or an error in one sentence."""

import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from actionsight.database import SessionError, connect, pool, stands_behind_pooler
from actionsight.locks import LOADING_LOCK, holder_of

pytestmark = pytest.mark.integration


@contextmanager
def pooler_that_drops_options(url: str) -> Generator[str]:
    """The server behind somebody who passes on user and database of a session, and no more."""
    server = urlsplit(url)
    listener = socket.create_server(("127.0.0.1", 0))
    ends: list[socket.socket] = [listener]

    def copy(source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            upstream = socket.create_connection((str(server.hostname), server.port or 0))
            ends.extend([client, upstream])
            start = client.recv(65536)
            while len(start) == 8:
                client.sendall(b"N")
                start = client.recv(65536)
            fields = start[8:].split(b"\0")
            named = dict(zip(fields[::2], fields[1::2], strict=False))
            kept = b"".join(name + b"\0" + named[name] + b"\0" for name in (b"user", b"database"))
            body = start[4:8] + kept + b"\0"
            upstream.sendall((len(body) + 4).to_bytes(4, "big") + body)
            for pair in ((client, upstream), (upstream, client)):
                threading.Thread(target=copy, args=pair, daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield url.replace(f":{server.port}/", f":{listener.getsockname()[1]}/")
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        for end in ends:
            end.close()
        thread.join()


def test_a_session_speaks_utc_and_ends_soon_after_its_client_vanished(database_url: str) -> None:
    names = ("TimeZone", "tcp_keepalives_idle", "tcp_keepalives_count", "tcp_user_timeout")
    with connect(database_url, options="-c statement_timeout=7s") as connection:
        found = [
            connection.execute("select current_setting(%s)", [name]).fetchone()
            for name in (*names, "statement_timeout")
        ]
        assert not stands_behind_pooler(connection)
    assert found == [("UTC",), ("30",), ("3",), ("60000",), ("7s",)]


def test_a_pooler_that_drops_options_is_an_error_in_one_sentence(database_url: str) -> None:
    with pooler_that_drops_options(database_url) as pooled_url:
        with pytest.raises(SessionError, match="drops the options of a session"):
            connect(pooled_url)
        sessions = pool(pooled_url, max_size=1)
        sessions.open()
        try:
            with pytest.raises(Exception, match="couldn't get a connection"):
                sessions.getconn(timeout=1)
        finally:
            sessions.close()


def test_who_waits_for_a_lock_is_told_who_holds_it(database_url: str) -> None:
    with connect(database_url) as holder, connect(database_url) as waiting:
        assert holder_of(waiting, LOADING_LOCK) == "nobody any more"
        holder.execute("select pg_advisory_lock(%s)", [LOADING_LOCK])
        told = holder_of(waiting, LOADING_LOCK)
        assert f"session {holder.info.backend_pid} of actionsight from 127.0.0.1" in told
