"""A drain, the event buffer or the database is killed: what was accepted is stored exactly once.

The drain that is killed is the real command; where it is killed is not left to luck, but for the
servers, which are killed amid work.
"""

import signal
import threading
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import redis
from psycopg import Connection

from actionsight import migrations
from actionsight.database import connect
from actionsight.event_buffer import GROUP, STREAM, EventBuffer
from actionsight.local import PostgresqlServer, ValkeyServer
from actionsight.local.valkey import EVENT_BUFFER
from actionsight.settings import Settings, load
from ingestion.webhooks.drain import DrainError
from tests.ingestion.webhooks.factories import (
    PATIENCE_SECONDS,
    REPOSITORY_ID,
    Installation,
    job_payload,
    run_payload,
    wait_until,
)
from tests.ingestion.webhooks.kill_process import (
    assert_account,
    drain_process,
    kill_server,
    stalled,
)

pytestmark = pytest.mark.integration


def some_events(webhooks: Installation) -> list[str]:
    """Events of each kind, some of them unreadable; gives their ids."""
    ids = [webhooks.send("workflow_run", run_payload(number)) for number in range(50)]
    ids += [webhooks.send("workflow_job", job_payload(number)) for number in range(50)]
    ids += [webhooks.send("workflow_job", job_payload(run_id="x")) for _ in range(3)]
    return [*ids, webhooks.send("ping", {})]


@contextmanager
def ledger_locked(webhooks: Installation) -> Generator[Connection[Any]]:
    """Nobody else can write the ledger for so long, or until the connection given rolls back."""
    with connect(webhooks.database_url) as connection:
        connection.execute("lock table raw.webhook_deliveries in exclusive mode")
        yield connection


def pending_count(redis_url: str) -> int:
    with redis.Redis.from_url(redis_url) as client:
        return int(client.xpending(STREAM, GROUP)["pending"])


def test_a_drain_that_is_killed_before_the_commit_is_made_good(
    webhooks: Installation, redis_url: str
) -> None:
    ids = some_events(webhooks)
    with ledger_locked(webhooks), drain_process(webhooks) as process:
        wait_until(webhooks.waiting)
        process.kill()
        assert process.wait() == -signal.SIGKILL
    assert (webhooks.ledger(), webhooks.dead_letters()) == ({}, {})
    assert pending_count(redis_url) == len(ids)
    more = webhooks.send("ping", {})

    result = webhooks.drain(waits=True)

    assert (result.new_count, result.duplicate_count, result.dead_letter_count) == (102, 0, 3)
    assert_account(webhooks, [*ids, more])


def test_a_drain_that_is_killed_between_commit_and_acknowledgement_is_made_good(
    webhooks: Installation, redis_url: str
) -> None:
    ids = some_events(webhooks)
    with redis.Redis.from_url(redis_url) as client:
        connection_count = len(client.client_list())
        with drain_process(webhooks) as process:
            try:
                with ledger_locked(webhooks):
                    wait_until(webhooks.waiting)
                    client.client_pause(60_000, all=False)
                wait_until(webhooks.ledger)
                process.kill()
                assert process.wait() == -signal.SIGKILL
                # Its acknowledgement, which waits there, goes with its connection.
                wait_until(lambda: len(client.client_list()) <= connection_count)
            finally:
                client.client_unpause()
    committed = webhooks.ledger(), webhooks.dead_letters()
    assert len(committed[0]) + len(committed[1]) == pending_count(redis_url) == len(ids)

    result = webhooks.drain(waits=True)

    assert (result.new_count, result.duplicate_count) == (0, 101)
    assert (webhooks.ledger(), webhooks.dead_letters()) == committed
    assert_account(webhooks, ids)


class Sender:
    """Threads that append, each event under a new id, until enough are accepted."""

    def __init__(self, webhooks: Installation, wanted: int) -> None:
        self.accepted: list[str] = []
        self._webhooks = webhooks
        self._wanted = wanted
        self._server_runs = threading.Event()
        self._server_runs.set()

    def has_accepted(self, count: int) -> bool:
        """Whether so many events are accepted, or more."""
        return len(self.accepted) >= count

    @contextmanager
    def sending(self, thread_count: int = 3) -> Generator[None]:
        """Send until enough are accepted; those that are refused meanwhile count for nothing."""
        with ThreadPoolExecutor(thread_count) as threads:
            sendings = [threads.submit(self._send, number) for number in range(thread_count)]
            yield
            for sending in sendings:
                sending.result()

    @contextmanager
    def interrupted(self) -> Generator[None]:
        """Between the kill of the server and its return, those that fail wait."""
        self._server_runs.clear()
        yield
        self._server_runs.set()

    def _send(self, thread: int) -> None:
        number = 0
        while len(self.accepted) < self._wanted:
            number += 1
            try:
                self.accepted.append(
                    self._webhooks.send("workflow_run", run_payload(number), f"{thread}-{number}")
                )
            except redis.RedisError:
                self._server_runs.wait()


def has_stored(webhooks: Installation, count: int) -> bool:
    return len(webhooks.ledger()) >= count


@contextmanager
def drained_meanwhile(webhooks: Installation) -> Generator[None]:
    """One drain after the other, as the sensor's ticks come; what fails is tried again."""
    is_over = threading.Event()

    def ticks() -> None:
        while not is_over.wait(0.01):
            with suppress(DrainError):
                webhooks.drain(batch_size=40)

    with ThreadPoolExecutor(1) as threads:
        ticking = threads.submit(ticks)
        try:
            yield
        finally:
            is_over.set()
        ticking.result()


def test_an_event_buffer_that_is_killed_loses_nothing_that_it_accepted(
    settings: Settings, tmp_path: Path
) -> None:
    server = ValkeyServer(tmp_path / "event-buffer", "event buffer", EVENT_BUFFER)
    buffers = [EventBuffer(server.start())]
    webhooks = Installation(settings, buffers[0])
    webhooks.monitor(REPOSITORY_ID)
    sender = Sender(webhooks, wanted=600)
    try:
        with drained_meanwhile(webhooks), sender.sending():
            for kill_at in (100, 300):
                wait_until(partial(sender.has_accepted, kill_at))
                with sender.interrupted():
                    kill_server(server)
                    buffers.append(EventBuffer(server.start()))
                    webhooks.buffer = buffers[-1]
        webhooks.drain(waits=True)
        assert_account(webhooks, sender.accepted)
        assert len(sender.accepted) >= 600
    finally:
        for buffer in buffers:
            buffer.close()
        server.stop()


def test_an_event_buffer_that_stalls_is_waited_for_briefly_and_loses_and_doubles_nothing(
    settings: Settings, tmp_path: Path
) -> None:
    server = ValkeyServer(tmp_path / "event-buffer", "event buffer", EVENT_BUFFER)
    buffer = EventBuffer(server.start(), timeout_seconds=0.2)
    webhooks = Installation(settings, buffer)
    webhooks.monitor(REPOSITORY_ID)
    try:
        ids = some_events(webhooks)
        with stalled(server):
            began = time.monotonic()
            with pytest.raises(DrainError, match="the event buffer does not answer"):
                webhooks.drain()
            with pytest.raises(redis.TimeoutError):
                webhooks.send("ping", {})
            assert time.monotonic() - began < PATIENCE_SECONDS
        # Between the commit and the acknowledgement.
        with ThreadPoolExecutor(1) as threads, ledger_locked(webhooks) as holder:
            draining = threads.submit(webhooks.drain)
            wait_until(webhooks.waiting)
            with stalled(server):
                holder.rollback()
                with pytest.raises(DrainError, match="the event buffer does not answer"):
                    draining.result()
        committed = webhooks.ledger(), webhooks.dead_letters()
        webhooks.drain()
        assert (webhooks.ledger(), webhooks.dead_letters()) == committed
        # Wherever it happens to be.
        sender = Sender(webhooks, wanted=300)
        with drained_meanwhile(webhooks), sender.sending():
            for stall_at in (50, 150):
                wait_until(partial(sender.has_accepted, stall_at))
                with sender.interrupted(), stalled(server):
                    time.sleep(0.5)
        webhooks.drain(waits=True)
        webhooks.drain(waits=True)
        assert_account(webhooks, [*ids, *sender.accepted])
        assert set(webhooks.dead_letters()) == set(committed[1])
    finally:
        buffer.close()
        server.stop()


def test_a_database_that_is_killed_amid_drains_ends_with_everything_once(
    services_folder: Path, redis_url: str
) -> None:
    # With its promises to the disk, unlike the other tests' server.
    server = PostgresqlServer(services_folder / "killed-postgres")
    settings = replace(load(environ={}), database_url=server.start(), redis_url=redis_url)
    webhooks = Installation(settings, EventBuffer(redis_url))
    try:
        migrations.upgrade(webhooks.database_url)
        webhooks.monitor(REPOSITORY_ID)
        ids = [webhooks.send("workflow_run", run_payload(n)) for n in range(800)]
        with drained_meanwhile(webhooks):
            for kill_at in (100, 400):
                wait_until(partial(has_stored, webhooks, kill_at))
                kill_server(server)
                webhooks.settings = replace(settings, database_url=server.start())
            wait_until(lambda: webhooks.buffer.freshness().event_count == 0)
        assert set(webhooks.ledger()) == set(ids)
        assert_account(webhooks, ids)
    finally:
        webhooks.buffer.close()
        server.stop()
