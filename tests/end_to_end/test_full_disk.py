"""The disks of an installation fill to their last block, and have room again later.

Each part has a disk of its own here, so that each is seen to fail alone; then all of them together.
"""

import os
import signal
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from actionsight.database import connect
from actionsight.local import PostgresqlServer
from tests.end_to_end.demonstration import Demonstration
from tests.end_to_end.sender import Sender, stored
from tests.end_to_end.test_falls import children_of, wait_until_well
from tests.small_disk import small_disk

pytestmark = [pytest.mark.end_to_end, pytest.mark.thorough, pytest.mark.timeout(1500)]

MEGABYTES = {".": 300, "postgres": 500, "event-buffer": 30, "logs": 30, "dagster": 30}
# What falls again and again is started after pauses of up to a minute.
HEALED_SECONDS = 120


def let_fall(superuser: psycopg.Connection[Any]) -> None:
    """Let PostgreSQL begin segments of its log until it finds no place for one, and panics."""
    with pytest.raises(psycopg.OperationalError) as fallen:
        while True:
            superuser.execute("select pg_logical_emit_message(true, 'test', 'a word')")
            superuser.execute("select pg_switch_wal()")
    assert fallen.value.diag.severity_nonlocalized == "PANIC"


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
        def full(*parts: str) -> Generator[psycopg.Connection[Any]]:
            with connect(database.admin_url(), autocommit=True) as superuser:
                for part in parts:
                    disks[part].fill()
                yield superuser
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
                with full("postgres") as superuser:
                    let_fall(superuser)
                    assert sender.is_answered("202")  # the event buffer has room
                with full("event-buffer"):
                    assert sender.is_answered("503")
                with full("logs", "dagster"):
                    for child in children_of(up.pid):
                        os.kill(child, signal.SIGKILL)
                    time.sleep(2)  # two looks of the supervisor
                    wait_until_well(demonstration, HEALED_SECONDS)
                    assert sender.is_answered("202")
                with full(*MEGABYTES) as superuser:
                    assert sender.is_answered("503")
                    let_fall(superuser)
                    for child in children_of(up.pid):
                        os.kill(child, signal.SIGKILL)
                    time.sleep(20)  # during which each of them is started in vain
                assert sender.is_answered("202")
            synced = demonstration.run("sync")
            ledger, letters = stored(database)
        print(demonstration.output, sender.answers)  # noqa: T201
    assert synced.returncode == 0, synced.stderr
    assert set(sender.accepted) <= ledger | letters
    assert not ledger & letters
    assert up.returncode == 0
