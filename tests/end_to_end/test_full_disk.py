"""The disks of an installation fill to their last block, and have room again later.

Each part has a disk of its own here, so that each is seen to fail alone; then all of them together.
"""

import os
import signal
import threading
import time
import uuid
from collections import Counter
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest

from actionsight.database import connect, with_database
from actionsight.local import PostgresqlServer
from tests.end_to_end.demonstration import Demonstration
from tests.end_to_end.test_falls import PAYLOAD, children_of, wait_until_well
from tests.small_disk import small_disk

pytestmark = [pytest.mark.end_to_end, pytest.mark.thorough, pytest.mark.timeout(1500)]

MEGABYTES = {".": 300, "postgres": 500, "event-buffer": 30, "logs": 30, "dagster": 30}
PATIENCE_SECONDS = 60
# What falls again and again is started after pauses of up to a minute.
HEALED_SECONDS = 120


class Sender:
    """Sends webhooks all the time, to the receiver, and notes what was answered."""

    def __init__(self, demonstration: Demonstration) -> None:
        self.accepted: list[str] = []
        self.answers: Counter[str] = Counter()
        self._demonstration = demonstration
        self._port = demonstration.receiver_port

    @contextmanager
    def sending(self) -> Generator[None]:
        is_over = threading.Event()
        with ThreadPoolExecutor(1) as threads:
            sent = threads.submit(self._send_until, is_over)
            try:
                yield
            finally:
                is_over.set()
            sent.result()

    def _send_until(self, is_over: threading.Event) -> None:
        while not is_over.wait(0.02):
            delivery_id = str(uuid.uuid4())
            try:
                status = self._demonstration.deliver(
                    PAYLOAD, port=self._port, delivery_id=delivery_id
                )
            except OSError as error:
                self.answers[type(error).__name__] += 1
                continue
            self.answers[str(status)] += 1
            if status == 202:
                self.accepted.append(delivery_id)

    def is_answered(self, status: int) -> bool:
        """Whether one is answered so from now on."""
        before, deadline = self.answers[str(status)], time.monotonic() + PATIENCE_SECONDS
        while self.answers[str(status)] == before and time.monotonic() < deadline:
            time.sleep(0.05)
        return self.answers[str(status)] > before


def let_fall(server: PostgresqlServer) -> None:
    """Let PostgreSQL begin segments of its log until it finds no place for one, and panics."""
    with (
        pytest.raises(psycopg.OperationalError) as fallen,
        connect(server.admin_url(), autocommit=True) as connection,
    ):
        while True:
            connection.execute("select pg_logical_emit_message(true, 'test', 'a word')")
            connection.execute("select pg_switch_wal()")
    assert fallen.value.diag.severity_nonlocalized == "PANIC"


def stored(server: PostgresqlServer) -> tuple[set[str], set[str]]:
    """The deliveries in the ledger, and those in the dead letters."""
    with connect(with_database(server.admin_url(), "actionsight")) as connection:
        ledger = connection.execute("select delivery_id from raw.webhook_events").fetchall()
        letters = connection.execute("select delivery_id from raw.webhook_dead_letters").fetchall()
    return {delivery for (delivery,) in ledger}, {delivery for (delivery,) in letters}


def test_full_disks_cost_no_accepted_webhook_and_all_goes_on_once_there_is_room(
    services_folder: Path,
) -> None:
    demonstration = Demonstration(services_folder / "full")
    database = PostgresqlServer(demonstration.data_dir / "postgres")
    with ExitStack() as mounted:
        disks = {
            part: mounted.enter_context(small_disk(demonstration.data_dir / part, megabytes))
            for part, megabytes in MEGABYTES.items()
        }

        @contextmanager
        def full(*parts: str) -> Generator[None]:
            for part in parts:
                disks[part].fill()
            yield
            for part in parts:
                disks[part].empty()
            seconds = wait_until_well(demonstration, HEALED_SECONDS)
            print(f"{seconds:5.1f} s after the disk of {parts} had room again")  # noqa: T201
            assert up.poll() is None
            assert len(children_of(up.pid)) == child_count

        with demonstration.up() as up:
            wait_until_well(demonstration, 240)
            child_count = len(children_of(up.pid))
            sender = Sender(demonstration)
            with sender.sending():
                with full("postgres"):
                    let_fall(database)
                    assert sender.is_answered(202)  # the event buffer has room
                with full("event-buffer"):
                    assert sender.is_answered(503)
                with full("logs", "dagster"):
                    for child in children_of(up.pid):
                        os.kill(child, signal.SIGKILL)
                    time.sleep(2)  # two looks of the supervisor
                    wait_until_well(demonstration, HEALED_SECONDS)
                    assert sender.is_answered(202)
                with full(*MEGABYTES):
                    assert sender.is_answered(503)
                    let_fall(database)
                    for child in children_of(up.pid):
                        os.kill(child, signal.SIGKILL)
                    time.sleep(20)  # during which each of them is started in vain
                assert sender.is_answered(202)
            synced = demonstration.run("sync")
            ledger, letters = stored(database)
        print(demonstration.output, sender.answers)  # noqa: T201
    assert synced.returncode == 0, synced.stderr
    assert set(sender.accepted) <= ledger | letters
    assert not ledger & letters
    assert up.returncode == 0
