"""The same stories on servers that others run: PostgreSQL with TLS behind PgBouncer in transaction
mode, Redis with TLS, passwords with all that is special in addresses. Nothing embedded is started.
"""

import re
import urllib.error
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from actionsight.event_buffer import EventBuffer
from actionsight.local.valkey import CACHE, EVENT_BUFFER
from github_standin.server.server import Server
from tests.end_to_end import test_webhooks
from tests.end_to_end.conftest import Installation
from tests.end_to_end.demonstration import Demonstration
from tests.end_to_end.test_up import eventually
from tests.support.outside_services import (
    PASSWORD,
    ROLES,
    Postgresql,
    missing,
    pgbouncer,
    tls_postgresql,
    tls_redis,
)

LACKING = missing("initdb", "postgres", "pgbouncer", "redis-server")
pytestmark = [
    pytest.mark.end_to_end,
    pytest.mark.thorough,
    pytest.mark.timeout(600),
    pytest.mark.skipif(bool(LACKING), reason=LACKING),
]

SECRET = "of-webhooks-0123456789"
EMBEDDED = ("postgres", "event-buffer", "cache")


@dataclass(frozen=True)
class Outside:
    """What an installation is told of the servers, and how a test reaches them."""

    environment: dict[str, str]
    postgresql: Postgresql

    @property
    def database_url(self) -> str:
        """PostgreSQL itself, with the file of its authority."""
        return self.postgresql.verified(self.postgresql.url("actionsight", "actionsight"))

    @property
    def redis_url(self) -> str:
        """The event buffer, with the file of its authority."""
        authority = quote(str(self.postgresql.certificates.authority))
        return f"{self.environment['ACTIONSIGHT_REDIS_URL']}?ssl_ca_certs={authority}"


@contextmanager
def outside(folder: Path) -> Generator[Outside]:
    """New servers for one installation."""
    folder.mkdir()
    passwords = dict.fromkeys(ROLES, PASSWORD)
    with (
        tls_postgresql(folder / "postgresql") as postgresql,
        pgbouncer(
            folder / "pgbouncer", postgresql.port, passwords, postgresql.certificates
        ) as port,
        tls_redis(folder / "buffer", postgresql.certificates, EVENT_BUFFER) as buffer,
        tls_redis(folder / "cache", postgresql.certificates, CACHE) as cache,
    ):
        yield Outside(
            {
                "ACTIONSIGHT_DATABASE_URL": postgresql.url("actionsight", "actionsight", port),
                "ACTIONSIGHT_API_DATABASE_URL": postgresql.url(
                    "actionsight_api", "actionsight", port
                ),
                "ACTIONSIGHT_DAGSTER_DATABASE_URL": postgresql.url(
                    "actionsight_dagster", "dagster", port
                ),
                "ACTIONSIGHT_REDIS_URL": buffer,
                "ACTIONSIGHT_CACHE_URL": cache,
                "ACTIONSIGHT_CA_FILE": str(postgresql.certificates.authority),
                "ACTIONSIGHT_SECRET_KEY": "0123456789" * 4,
            },
            postgresql,
        )


@pytest.fixture
def servers(services_folder: Path, tmp_path: Path) -> Iterator[Outside]:
    with outside(services_folder / tmp_path.name) as made:
        yield made


@pytest.fixture
def installation(servers: Outside, tmp_path: Path, github: Server) -> Installation:
    return Installation(servers.database_url, tmp_path, github, servers.environment)


def test_a_sync_makes_the_same_marts(
    installation: Installation, servers: Outside, synced: Installation
) -> None:
    installation.run("sync")
    assert installation.marts() == synced.marts()
    assert [name for name in EMBEDDED if (installation.data_dir / name).exists()] == []


def test_webhooks_dead_letters_and_a_purge(installation: Installation, servers: Outside) -> None:
    buffer = EventBuffer(servers.redis_url)
    test_webhooks.test_a_sync_takes_in_webhooks_and_shows_what_it_could_not_read(
        installation, buffer
    )
    buffer.close()


class Up(Demonstration):
    """A real installation, told by settings alone where its servers are."""

    def __init__(self, folder: Path, more: dict[str, str]) -> None:
        super().__init__(folder)
        self._more = more
        self._token = ""

    @property
    def environment(self) -> dict[str, str]:
        return {
            **super().environment,
            **self._more,
            "ACTIONSIGHT_GITHUB_TOKEN": "a-token",
            "ACTIONSIGHT_GITHUB_WEBHOOK_SECRET": SECRET,
            "ACTIONSIGHT_REPOSITORIES": "bitcoin/bitcoin",
            "ACTIONSIGHT_BACKFILL_DAYS": "3650",
        }

    @property
    def token(self) -> str:
        if not self._token:
            made = self.run("tokens", "create", "--name", "test")
            assert made.returncode == 0, made.stderr
            [self._token] = re.findall(r"as_\S+", made.stdout)
        return self._token


def test_up_collects_builds_and_answers(servers: Outside, tmp_path: Path, github: Server) -> None:
    more = {**servers.environment, "ACTIONSIGHT_GITHUB_API_URL": github.url}
    up = Up(tmp_path / "data", more)
    with up.up() as process:
        eventually(lambda: up.ask("/stats")["data"]["run_count"] > 100, lambda: up.output)
        run = {
            "id": 9_000_000_001,
            "run_attempt": 1,
            "workflow_id": 9_000_001,
            "status": "queued",
            "created_at": "2026-11-20T10:00:00Z",
            "updated_at": "2026-11-20T10:00:00Z",
        }
        payload: dict[str, Any] = {"action": "requested", "workflow_run": run}
        payload["repository"] = {"id": test_webhooks.BITCOIN}
        assert up.deliver(payload, secret=SECRET, port=up.receiver_port) == 202

        def shows() -> bool:
            try:
                found = up.ask("/workflows/9000001")["data"]
            except urllib.error.HTTPError as error:
                assert error.code in {404, 503}
                return False
            return bool(found["latest_run"] and found["latest_run"]["status"] == "queued")

        eventually(shows)
        looked = up.run("status", "--json")
        assert looked.returncode == 0, looked.stdout + looked.stderr
        told = up.run("doctor")
        assert "wrong " not in told.stdout, told.stdout
        assert "FAILURE" not in up.run_statuses().values()
        running = " ".join(up.processes())
        assert "postgres -D" not in running
        assert "valkey-server" not in running
        assert [name for name in EMBEDDED if (up.folder / name).exists()] == []
    assert process.returncode == 0, up.output
    assert up.processes() == []
