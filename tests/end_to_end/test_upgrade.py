"""The service is upgraded as the guide says, while GitHub goes on sending webhooks."""

import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from actionsight.local import PostgresqlServer
from tests.end_to_end.demonstration import Demonstration
from tests.end_to_end.sender import PATIENCE_SECONDS, Sender, stored
from tests.end_to_end.test_falls import wait_until_well
from tests.support.ports import free_port

pytestmark = [pytest.mark.end_to_end, pytest.mark.thorough, pytest.mark.timeout(900)]


def test_an_upgrade_of_the_service_loses_no_accepted_webhook(services_folder: Path) -> None:
    demonstration = Demonstration(services_folder / "upgrade", receiver_port=free_port())
    database = PostgresqlServer(demonstration.data_dir / "postgres")
    with ExitStack() as service:
        service.enter_context(demonstration.up())
        wait_until_well(demonstration, 240)
        sender = Sender(demonstration)
        with sender.sending():
            assert sender.is_answered("202")
            service.close()  # systemctl stop
            assert sender.is_answered("URLError")  # nobody is there
            # Of `make upgrade UP=` all but the packages, which this test's are, too.
            upgraded = demonstration.run("migrate")
            assert upgraded.returncode == 0, upgraded.stderr
            service.enter_context(demonstration.up())  # systemctl start
            wait_until_well(demonstration, 240)
            assert sender.is_answered("202")
        deadline = time.monotonic() + PATIENCE_SECONDS
        while demonstration.ask("/readyz")["event_buffer"]["event_count"]:
            assert time.monotonic() < deadline, "they are not drained"
            time.sleep(0.5)
        ledger, letters = stored(database)
    assert set(sender.accepted) <= ledger | letters
    assert not ledger & letters
    print(f"{len(sender.accepted)} accepted; {sender.answers}")  # noqa: T201
