"""Sessions are what was asked for, at a server and behind a pooler."""

import socket
import tempfile
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from actionsight.database import connect
from actionsight.locks import LOADING_LOCK, holder_of, keeping
from api.database import Database
from tests.support.outside_services import missing, pgbouncer

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


@pytest.fixture(params=["", "options"])
def transaction_pooler_url(
    request: pytest.FixtureRequest, database_url: str, services_folder: Path
) -> Iterator[str]:
    """The server behind PgBouncer, which refuses start-up options, or drops them."""
    if lacking := missing("pgbouncer"):
        pytest.skip(lacking)
    server = urlsplit(database_url)
    dropped = {"ignore_startup_parameters": request.param} if request.param else {}
    folder = Path(tempfile.mkdtemp(dir=services_folder)) / "pgbouncer"
    folder.parent.chmod(0o755)
    passwords = {str(server.username): str(server.password)}
    with pgbouncer(folder, server.port or 0, passwords, **dropped) as port:
        yield database_url.replace(f":{server.port}/", f":{port}/")


def test_a_session_speaks_utc_and_ends_soon_after_its_client_vanished(database_url: str) -> None:
    names = ("TimeZone", "tcp_keepalives_idle", "tcp_keepalives_count", "tcp_user_timeout")
    with connect(database_url, settings={"statement_timeout": "7s"}) as connection:
        found = [
            connection.execute("select current_setting(%s)", [name]).fetchone()
            for name in (*names, "statement_timeout")
        ]
        assert not connection.is_pooled
    assert found == [("UTC",), ("30",), ("3",), ("60000",), ("7s",)]


def test_where_options_are_dropped_each_transaction_begins_with_them(database_url: str) -> None:
    with pooler_that_drops_options(database_url) as pooled_url:
        with connect(pooled_url, autocommit=True) as connection:
            assert connection.is_pooled
            assert connection.execute("show timezone").fetchone() == ("UTC",)
        database = Database(pooled_url, pooled_url, statement_timeout_seconds=7)
        _check_transactions(database)
        database.close()


def test_a_pooler_in_transaction_mode_gives_what_a_server_gives(
    transaction_pooler_url: str,
) -> None:
    with connect(transaction_pooler_url, autocommit=True) as connection:
        # Another session at the server that was left like this by somebody.
        connection.execute("set timezone = 'Asia/Kathmandu'")
    database = Database(transaction_pooler_url, transaction_pooler_url, statement_timeout_seconds=7)
    try:
        for _ in range(10):  # more than psycopg takes to prepare a statement
            _check_transactions(database)
    finally:
        database.close()


def _check_transactions(database: Database) -> None:
    names = ["TimeZone", "statement_timeout", "idle_in_transaction_session_timeout"]
    names += ["transaction_isolation", "transaction_read_only"]
    asked = "select array(select current_setting(name) from unnest(%s::text[]) as name) as found"
    timeouts = ["UTC", "7s", "1min"]
    reading = [*timeouts, "repeatable read", "on"]
    writing = [*timeouts, "read committed", "off"]
    with database.snapshot() as connection, database.writing() as other:
        assert connection.execute(asked, [names]).fetchall() == [{"found": reading}]
        assert other.execute(asked, [names]).fetchall() == [{"found": writing}]
    with database.looking() as connection:
        assert connection.execute("show timezone").fetchall() == [{"TimeZone": "UTC"}]
    with database._connection("read") as connection:
        connection.execute(b"begin;" + connection.settings)
        found = connection.execute("show plan_cache_mode").fetchall()
        assert found == [{"plan_cache_mode": "force_custom_plan"}]


def test_a_lock_is_held_through_a_pooler_in_transaction_mode(transaction_pooler_url: str) -> None:
    tried = "select pg_try_advisory_xact_lock(%s)"
    with connect(transaction_pooler_url, autocommit=True) as other:
        with keeping(transaction_pooler_url) as locks:
            assert locks.execute(tried, [LOADING_LOCK]).fetchone() == (True,)
            for _ in range(5):
                assert other.execute(tried, [LOADING_LOCK]).fetchone() == (False,)
            assert "session" in holder_of(other, LOADING_LOCK)
        assert other.execute(tried, [LOADING_LOCK]).fetchone() == (True,)


def test_who_lost_a_lock_is_told(database_url: str) -> None:
    with (
        connect(database_url, autocommit=True) as other,
        pytest.raises(psycopg.OperationalError),
        keeping(database_url) as locks,
    ):
        locks.execute("select pg_advisory_xact_lock(%s)", [LOADING_LOCK])
        other.execute("select pg_terminate_backend(%s, 5000)", [locks.info.backend_pid])


def test_who_waits_for_a_lock_is_told_who_holds_it(database_url: str) -> None:
    with connect(database_url) as holder, connect(database_url) as waiting:
        assert holder_of(waiting, LOADING_LOCK) == "nobody any more"
        holder.execute("select pg_advisory_lock(%s)", [LOADING_LOCK])
        told = holder_of(waiting, LOADING_LOCK)
        assert f"session {holder.info.backend_pid} of actionsight from 127.0.0.1" in told
