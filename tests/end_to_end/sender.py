"""Somebody who sends webhooks all the time, and the account of what was accepted."""

import threading
import time
import uuid
from collections import Counter
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from actionsight.database import connect, with_database
from actionsight.local import PostgresqlServer
from tests.end_to_end.demonstration import Demonstration

PAYLOAD = {"action": "requested", "workflow_run": {}, "repository": {"id": 1}}
PATIENCE_SECONDS = 60


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

    def is_answered(self, answer: str) -> bool:
        """Whether one is answered so from now on; by the name of the error where nobody answers."""
        before, deadline = self.answers[answer], time.monotonic() + PATIENCE_SECONDS
        while self.answers[answer] == before and time.monotonic() < deadline:
            time.sleep(0.05)
        return self.answers[answer] > before


def stored(server: PostgresqlServer) -> tuple[set[str], set[str]]:
    """The deliveries in the ledger, and those in the dead letters."""
    with connect(with_database(server.admin_url(), "actionsight")) as connection:
        ledger = connection.execute("select delivery_id from raw.webhook_events").fetchall()
        letters = connection.execute("select delivery_id from raw.webhook_dead_letters").fetchall()
    return {delivery for (delivery,) in ledger}, {delivery for (delivery,) in letters}
