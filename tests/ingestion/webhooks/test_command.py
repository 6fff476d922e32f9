"""`python -m ingestion.webhooks drain`: what it says, and how it ends."""

import signal
import subprocess
import sys

import pytest

from actionsight.database import connect
from actionsight.locks import WEBHOOK_LOCK
from actionsight.settings import ROOT
from ingestion.webhooks.__main__ import main
from tests.ingestion.webhooks.factories import (
    PATIENCE_SECONDS,
    Installation,
    run_payload,
    wait_until,
)
from tests.ingestion.webhooks.kill_process import drain_process

pytestmark = pytest.mark.integration


@pytest.fixture
def command(webhooks: Installation, monkeypatch: pytest.MonkeyPatch) -> Installation:
    """The installation's settings as the environment."""
    for name, value in webhooks.settings.environment().items():
        monkeypatch.setenv(name, value)
    return webhooks


@pytest.mark.parametrize("arguments", [[], ["--wait"]])
def test_it_drains_and_says_what_came_of_it(
    command: Installation, caplog: pytest.LogCaptureFixture, arguments: list[str]
) -> None:
    caplog.set_level("INFO")
    command.send("workflow_run", run_payload(), "d-1")
    command.send("workflow_run", run_payload(), "d-1")
    command.send("ping", b"{")
    assert main(["drain", *arguments]) == 0
    assert "3 events: 1 new, 1 known, 1 unreadable; 1 runs, 0 jobs" in caplog.text
    assert len(command.ledger()) == 1


def test_another_drain_under_way_is_said_and_no_failure(
    command: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    command.send("ping", {})
    with connect(command.database_url) as other:
        other.execute("select pg_advisory_xact_lock(%s)", [WEBHOOK_LOCK])
        assert main(["drain"]) == 0
    assert "another drain is under way" in caplog.text
    assert command.ledger() == {}


@pytest.mark.parametrize(
    ("setting", "arguments"),
    [
        ("ACTIONSIGHT_REDIS_URL", ["drain"]),
        ("ACTIONSIGHT_DATABASE_URL", ["drain"]),
        ("ACTIONSIGHT_DATABASE_URL", ["dead-letters", "list"]),
    ],
)
def test_a_missing_address_is_named(
    command: Installation,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    setting: str,
    arguments: list[str],
) -> None:
    monkeypatch.setenv(setting, "")
    assert main(arguments) == 1
    assert f"{setting} is not set" in capsys.readouterr().err


def test_servers_that_are_away_are_one_sentence_each(
    command: Installation, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command.send("ping", {})
    monkeypatch.setenv("ACTIONSIGHT_DATABASE_URL", "postgresql://a:secret@127.0.0.1:1/b")
    for arguments in (["drain"], ["dead-letters", "list"]):
        assert main(arguments) == 1
        error = capsys.readouterr().err
        assert error.startswith("PostgreSQL: ")
        assert error.count("\n") == 1
        assert "secret" not in error
    monkeypatch.setenv("ACTIONSIGHT_REDIS_URL", "redis://127.0.0.1:1/0")
    assert main(["drain"]) == 1
    assert "the event buffer does not answer" in capsys.readouterr().err


def test_a_database_that_is_not_migrated_is_named_with_its_remedy(
    command: Installation,
    empty_database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("ACTIONSIGHT_DATABASE_URL", empty_database_url)
    assert main(["dead-letters", "list"]) == 1
    assert "actionsight migrate" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_it_with_one_sentence(webhooks: Installation, number: int) -> None:
    webhooks.send("ping", {})
    with connect(webhooks.database_url) as other:
        other.execute("select pg_advisory_xact_lock(%s)", [WEBHOOK_LOCK])
        with drain_process(webhooks) as process:
            wait_until(webhooks.waiting)
            process.send_signal(number)
            _, errors = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 130
    assert errors.splitlines()[-1] == "stopped; the next drain goes on from here"


def test_its_help_names_the_commands() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ingestion.webhooks", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "dead-letters" in done.stdout
