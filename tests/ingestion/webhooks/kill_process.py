"""Processes and servers that are killed, and the account of what was accepted."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Generator, Iterable
from contextlib import contextmanager

from actionsight.local import PostgresqlServer, ValkeyServer
from actionsight.settings import ROOT
from tests.ingestion.webhooks.factories import Installation
from tests.support.signals import as_in_the_background


@contextmanager
def drain_process(webhooks: Installation) -> Generator["subprocess.Popen[str]"]:
    """The command in a process of its own; killed at the end, if it still runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "ingestion.webhooks", "drain", "--wait"],
        cwd=ROOT,
        env={**os.environ, **webhooks.settings.environment()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=as_in_the_background,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def kill_server(server: PostgresqlServer | ValkeyServer) -> None:
    """End a server as a power failure would end its process."""
    os.kill(_process_id(server), signal.SIGKILL)


@contextmanager
def stalled(server: ValkeyServer) -> Generator[None]:
    """A server that does nothing for so long and keeps its connections, as where a disk hangs."""
    process_id = _process_id(server)
    os.kill(process_id, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process_id, signal.SIGCONT)


def _process_id(server: PostgresqlServer | ValkeyServer) -> int:
    return int(json.loads((server.folder / "process.json").read_text())["pid"])


def assert_account(webhooks: Installation, accepted: Iterable[str]) -> None:
    """Every accepted delivery is in the ledger or the dead letters, in one of them, once."""
    ledger, letters = set(webhooks.ledger()), set(webhooks.dead_letters())
    assert set(accepted) <= ledger | letters
    assert not ledger & letters
    observed = webhooks.observed("webhook_runs").keys() | webhooks.observed("webhook_jobs").keys()
    assert observed == {
        delivery for delivery, row in webhooks.ledger().items() if row["outcome"] == "observed"
    }
    [batched] = webhooks.query(
        """
        select sum(event_count) as events, sum(run_count + job_count) as observations
        from raw.webhook_batches
        """
    )
    assert batched == {"events": len(ledger), "observations": len(observed)}
    assert webhooks.buffer.freshness().event_count == 0
