"""Answers are read from a streaming replica, say how far it is, and never tell whom it forgot to
close something; while it is away the primary server answers.
"""

import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from psycopg import Connection
from werkzeug.test import TestResponse

from actionsight.database import connect, with_database
from actionsight.local import PostgresqlServer, hold
from actionsight.outside_services import findings
from actionsight.settings import Settings, load
from api.database import POOL_SIZE, Database, current_database
from api.replica import TIMEOUT_SECONDS
from tests.api.client import ValidatingClient, bearer
from tests.api.marts import Marts, make_marts
from tests.api.prometheus.exposition import scrape
from tests.support.outside_services import not_root, opens, own, running, wait_until
from tests.support.ports import free_port
from tests.support.services import migrate

AS_OF = "Actionsight-As-Of"
NOBODY = "postgresql://nobody:pw@127.0.0.1:1/nothing"


@pytest.mark.integration
def test_a_replica_that_is_not_there_costs_no_answer(
    marts: Marts, token: str, client: ValidatingClient, app: Flask, database_url: str
) -> None:
    database = Database(database_url, NOBODY)
    app.extensions["database"].close()
    app.extensions["database"] = database
    for _ in range(2):
        assert client.get("/stats", headers=bearer(token)).status_code == 200
    assert database.replica is not None
    assert database.replica.is_away


@pytest.mark.integration
@pytest.mark.thorough
@pytest.mark.usefixtures("marts")
def test_a_replica_that_is_busy_is_not_away(database_url: str) -> None:
    database = Database(database_url, f"{database_url}?connect_timeout=9")
    asking = threading.Event()

    def ask() -> None:
        with database.reading() as reading:
            asking.set()
            reading.execute("select 1")

    with ExitStack() as busy:
        for _ in range(POOL_SIZE):
            busy.enter_context(database._connection("replica"))
        waiting = threading.Thread(target=ask)
        waiting.start()
        asking.wait()
        time.sleep(TIMEOUT_SECONDS * 1.5)  # for longer than one that is away is waited for
    waiting.join()
    assert database.replica is not None
    assert not database.replica.is_away
    database.close()


@dataclass
class Pair:
    """A primary server with marts and its streaming replica, which can fall and come back."""

    url: str
    admin_url: str
    folder: Path
    binaries: Path
    port: int = field(default_factory=free_port)
    _stack: ExitStack = field(default_factory=ExitStack)

    @property
    def replica_url(self) -> str:
        """Where answers are read."""
        return self.url.replace(f":{urlsplit(self.url).port}/", f":{self.port}/")

    @property
    def replica_admin_url(self) -> str:
        """The replica for who stops it."""
        admin = with_database(self.admin_url, urlsplit(self.url).path[1:])
        return admin.replace(f":{urlsplit(self.url).port}/", f":{self.port}/")

    def make(self) -> None:
        """Copy the primary server as it is; what it writes from then on is streamed."""
        address = urlsplit(self.admin_url)
        own(self.folder)
        subprocess.run(
            [
                *(self.binaries / "pg_basebackup", "--write-recovery-conf", "--checkpoint=fast"),
                *("--no-sync", f"--pgdata={self.folder / 'cluster'}", f"--host={address.hostname}"),
                *(f"--port={address.port}", f"--username={address.username}"),
            ],
            env={**os.environ, "PGPASSWORD": str(address.password)},
            cwd=self.folder,
            check=True,
            capture_output=True,
            **not_root(),
        )
        self.start()

    def start(self) -> None:
        """Run it."""
        options = {
            "port": str(self.port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "hot_standby_feedback": "on",
            "wal_retrieve_retry_interval": "100ms",
            "fsync": "off",
            "max_connections": "200",
        }
        given = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        self._stack.enter_context(
            running(
                [str(self.binaries / "postgres"), "-D", str(self.folder / "cluster"), *given],
                self.folder,
                self.port,
                stop_signal=signal.SIGINT,
                **not_root(),
            )
        )
        wait_until(lambda: opens(self.replica_url))

    def stop(self) -> None:
        """End it, with all sessions."""
        self._stack.close()

    def wait_until_caught_up(self) -> None:
        """Return once the replica shows all that was committed until now."""
        with connect(self.url, autocommit=True) as primary:
            [[place]] = primary.execute("select pg_current_wal_flush_lsn()").fetchall()
        with connect(self.replica_admin_url, autocommit=True) as replica:
            asked = "select pg_last_wal_replay_lsn() >= %s::pg_lsn"
            wait_until(lambda: replica.execute(asked, [place]).fetchone() == (True,))

    @contextmanager
    def stalled(self) -> Generator[None]:
        """The replica receives, and shows nothing new."""
        with connect(self.replica_admin_url, autocommit=True) as replica:
            replica.execute("select pg_wal_replay_pause()")
            state = "select pg_get_wal_replay_pause_state()"
            wait_until(lambda: replica.execute(state).fetchone() == ("paused",))
            try:
                yield
            finally:
                replica.execute("select pg_wal_replay_resume()")


@pytest.fixture(scope="module")
def pair(services_folder: Path) -> Iterator[Pair]:
    folder = Path(tempfile.mkdtemp(dir=services_folder))
    folder.chmod(0o755)
    server = PostgresqlServer(folder / "primary", {"fsync": "off"})
    with hold(server) as url:
        migrate(url, folder / "migration")
        make_marts(url)
        (folder / "replica").mkdir()
        made = Pair(url, server.admin_url(), folder / "replica", server._binaries)
        made.make()
        yield made
        made.stop()


class OnReplica:
    """What the tests of a real replica have in common."""

    @pytest.fixture
    def database_url(self, pair: Pair) -> str:
        return pair.url

    @pytest.fixture
    def settings(self, settings: Settings, pair: Pair, cache_url: str) -> Settings:
        return replace(settings, read_database_url=pair.replica_url, cache_url=cache_url)

    @pytest.fixture
    def history(self, marts: Marts, pair: Pair) -> Marts:
        """A repository with a run, as of ten."""
        marts.clear()
        marts.repository(1, "acme/a", observed_until="2026-01-07 10:00Z")
        marts.workflow(10, 1, "Build")
        marts.run(100, 10, "2026-01-01 00:00")
        marts.raise_version(1)
        marts.add_up_days()
        pair.wait_until_caught_up()
        return marts


def add_run(marts: Marts, connection: Connection[Any], run_id: int, hour: int) -> None:
    """What a build brings: a run, and the repository observed until then."""
    marts.run(run_id, 10, "2026-01-02 00:00")
    marts.add_up_days()
    marts.raise_version(1)
    connection.execute(
        "update app.repositories set observed_until = make_timestamptz(2026, 1, 7, %s, 0, 0, 'UTC')"
        " where repository_id = 1",
        [hour],
    )


def told(answer: TestResponse) -> tuple[int, str]:
    """How many runs, as of when."""
    assert answer.status_code == 200, answer.text
    return answer.get_json()["data"]["run_count"], answer.headers[AS_OF]


@pytest.mark.integration
@pytest.mark.thorough
class TestReplica(OnReplica):
    def test_an_answer_tells_what_the_replica_has_and_no_more(
        self,
        pair: Pair,
        history: Marts,
        connection: Connection[Any],
        client: ValidatingClient,
        token: str,
        app: Flask,
    ) -> None:
        def ask(**more: str) -> TestResponse:
            return client.get("/stats", headers=bearer(token) | more)

        with app.app_context(), current_database().reading() as reading:
            found = reading.execute("select pg_is_in_recovery() as is_replica").fetchall()
        assert found == [{"is_replica": True}]
        first = ask()
        assert told(first) == (1, "2026-01-07T10:00:00Z")
        with pair.stalled():
            add_run(history, connection, 101, hour=11)
            stale = ask()
            assert told(stale) == (1, "2026-01-07T10:00:00Z")
            assert stale.headers["ETag"] == first.headers["ETag"]
            # The primary server knows more than the client has: that is not confirmed.
            again = ask(**{"If-None-Match": first.headers["ETag"]})
            assert again.headers[AS_OF] == "2026-01-07T10:00:00Z"
        pair.wait_until_caught_up()
        assert told(ask()) == (2, "2026-01-07T11:00:00Z")

    def test_doctor_tells_how_far_it_is(
        self, pair: Pair, history: Marts, connection: Connection[Any]
    ) -> None:
        addresses = replace(
            load(environ={}), database_url=pair.url, read_database_url=pair.replica_url
        )

        def told() -> str:
            [found] = [each for each in findings(addresses) if each.subject == "Read replica"]
            return found.says

        wait_until(lambda: told() == "has all that the primary server has")
        with pair.stalled():
            add_run(history, connection, 101, hour=11)
            assert "bytes behind" in told()

    @pytest.mark.usefixtures("history")
    def test_who_may_see_what_is_never_the_replicas_word(
        self, pair: Pair, connection: Connection[Any], client: ValidatingClient, token: str
    ) -> None:
        headers = bearer(token)
        path = "/stats?repository=acme/a"
        with pair.stalled():
            # The replica knows neither this token nor this name.
            connection.execute("update app.repositories set full_name = 'acme/renamed'")
            assert client.get("/stats?repository=acme/renamed", headers=headers).status_code == 200
            assert client.get(path, headers=headers).status_code == 404
            connection.execute("update app.repositories set removed_at = now()")
            assert client.get("/repositories/1", headers=headers).status_code == 404
            assert client.get("/stats", headers=headers).get_json()["data"]["run_count"] == 0
            connection.execute("update app.api_tokens set revoked_at = now()")
            assert client.get("/stats", headers=headers).status_code == 401
        connection.execute("update app.repositories set full_name = 'acme/a', removed_at = null")

    @pytest.mark.usefixtures("history")
    def test_what_it_cannot_finish_the_primary_server_answers(
        self, pair: Pair, client: ValidatingClient, token: str
    ) -> None:
        answers: list[TestResponse] = []
        waiting = "select pid from pg_stat_activity where wait_event_type = 'Lock'"
        with connect(pair.replica_admin_url, autocommit=True) as replica:
            # The lock is the replica's, too.
            with connect(pair.url) as primary:
                primary.execute("lock table marts.workflow_runs in access exclusive mode")
                pair.wait_until_caught_up()
                asking = threading.Thread(
                    target=lambda: answers.append(client.get("/stats", headers=bearer(token)))
                )
                asking.start()
                wait_until(lambda: replica.execute(waiting).fetchone() is not None)
                [[pid]] = replica.execute(waiting).fetchall()
                replica.execute("select pg_terminate_backend(%s, 5000)", [pid])
            asking.join()
        assert told(answers[0])[0] == 1

    def test_while_it_is_away_the_primary_server_answers_and_then_it_answers_again(
        self,
        pair: Pair,
        history: Marts,
        connection: Connection[Any],
        client: ValidatingClient,
        token: str,
        app: Flask,
    ) -> None:
        replica = app.extensions["database"].replica
        assert told(client.get("/stats", headers=bearer(token)))[0] == 1
        pair.stop()
        add_run(history, connection, 101, hour=12)
        for _ in range(3):
            assert told(client.get("/stats", headers=bearer(token))) == (2, "2026-01-07T12:00:00Z")
        assert replica.is_away
        up = "actionsight_read_replica_up"
        assert scrape(client).value(up) == 0
        # It stays away for longer than anybody tries to connect.
        pool = app.extensions["database"]._pool("replica")
        wait_until(lambda: pool.get_stats()["pool_size"] == 0)
        pair.start()
        wait_until(lambda: not replica.is_away)
        assert scrape(client).value(up) == 1
        with app.app_context(), current_database().reading() as reading:
            found = reading.execute("select pg_is_in_recovery() as is_replica").fetchall()
        assert found == [{"is_replica": True}]
