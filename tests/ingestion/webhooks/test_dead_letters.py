"""Dead letters: seen, explained, tried again, put aside; and the commands for that."""

import json
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from psycopg import Connection

from actionsight.database import connect
from actionsight.event_buffer import STREAM
from ingestion.webhooks.__main__ import main
from ingestion.webhooks.dead_letters import discard, find_dead_letter, list_dead_letters, replay
from tests.ingestion.webhooks.factories import REPOSITORY_ID, Installation, run_payload

pytestmark = pytest.mark.integration

# What an older Actionsight could not read, say.
REFUSED = "alter table raw.webhook_runs add constraint refused check (run_id <> 13)"
MENDED = "alter table raw.webhook_runs drop constraint refused"


@pytest.fixture
def connection(webhooks: Installation) -> Iterator[Connection[Any]]:
    with connect(webhooks.database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def letters(webhooks: Installation) -> Installation:
    """Two dead letters: `refused`, which can be read once the table takes it, and `broken`."""
    webhooks.execute(REFUSED)
    webhooks.send("workflow_run", run_payload(13, name="\x1b[31mred"), "refused")
    webhooks.send("workflow_job", b"\x1b[2J {", "broken")
    webhooks.drain()
    assert set(webhooks.dead_letters()) == {"refused", "broken"}
    return webhooks


@pytest.fixture
def command(letters: Installation, monkeypatch: pytest.MonkeyPatch) -> Installation:
    """The same with the installation's settings as the environment."""
    for name, value in letters.settings.environment().items():
        monkeypatch.setenv(name, value)
    return letters


def test_replayed_in_vain_they_stay_and_the_failures_are_counted(
    letters: Installation, connection: Connection[Any]
) -> None:
    before = letters.dead_letters()
    result = replay(connection)
    assert (result.moved, result.unknown) == ([], [])
    assert result.failures["broken"] == "the body is not JSON"
    assert "violates check constraint" in result.failures["refused"]
    for delivery_id, letter in letters.dead_letters().items():
        assert letter["failure_count"] == 2
        assert letter["failed_at"] > before[delivery_id]["failed_at"]
        assert letter["body"] == before[delivery_id]["body"]
    assert letters.ledger() == {}


def test_what_can_be_read_now_moves_to_the_ledger_with_all_that_it_leads_to(
    letters: Installation, connection: Connection[Any]
) -> None:
    received_at = letters.dead_letters()["refused"]["received_at"]
    letters.execute(MENDED)
    result = replay(connection, ["refused", "nowhere", "refused"])
    assert (result.moved, result.failures, result.unknown) == (["refused"], {}, ["nowhere"])
    assert set(letters.dead_letters()) == {"broken"}
    [event] = letters.ledger().values()
    assert (event["outcome"], event["received_at"]) == ("observed", received_at)
    [run] = letters.observed("webhook_runs").values()
    assert (run["run_id"], run["received_at"]) == (13, received_at)
    assert letters.repository(REPOSITORY_ID)["newest_observation_at"] == received_at
    assert letters.query("select load_id from raw.loads") == [{"load_id": run["batch_id"]}]
    letters.send("workflow_run", run_payload(13), "refused")
    assert letters.drain().duplicate_count == 1


def test_a_redelivery_that_can_be_read_takes_the_place_of_a_dead_letter(
    letters: Installation, connection: Connection[Any]
) -> None:
    assert discard(connection, ["broken"]) == []
    letters.send("ping", {"zen": "Keep it simple."}, "broken")
    assert letters.drain().new_count == 1
    assert set(letters.dead_letters()) == {"refused"}
    assert set(letters.ledger()) == {"broken"}


def test_discarded_ones_are_hidden_and_left_alone_but_not_lost(
    letters: Installation, connection: Connection[Any]
) -> None:
    assert discard(connection, ["refused", "nowhere"]) == ["nowhere"]
    discarded_at = letters.dead_letters()["refused"]["discarded_at"]
    assert [letter.delivery_id for letter in list_dead_letters(connection)] == ["broken"]
    assert len(list_dead_letters(connection, with_discarded=True)) == 2
    assert list(replay(connection).failures) == ["broken"]
    assert discard(connection, ["refused"]) == []
    letters.send("workflow_run", run_payload(13), "refused")
    letters.drain()
    letter = find_dead_letter(connection, "refused")
    assert letter is not None
    assert (letter.failure_count, letter.discarded_at) == (2, discarded_at)
    letters.execute(MENDED)
    assert replay(connection, ["refused"]).moved == ["refused"]
    assert set(letters.ledger()) == {"refused"}


def test_one_without_an_id_is_replayed_under_the_name_that_it_was_given(
    webhooks: Installation, redis_url: str, connection: Connection[Any]
) -> None:
    with redis.Redis.from_url(redis_url) as client:
        entry = client.xadd(
            STREAM, {"headers": b'{"x-github-event": "ping"}', "body": zlib.compress(b"{")}
        )
    webhooks.drain()
    [name] = webhooks.dead_letters()
    assert isinstance(entry, bytes)
    assert name == f"entry {entry.decode()}"
    webhooks.execute("update raw.webhook_dead_letters set body = %s", zlib.compress(b"{}"))
    assert replay(connection).moved == [name]
    assert list(webhooks.ledger()) == [name]


def test_the_list_is_a_table_for_people(
    command: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["dead-letters", "discard", "refused"]) == 0
    assert main(["dead-letters", "list"]) == 0
    header, line = capsys.readouterr().out.splitlines()
    assert header.split() == ["DELIVERY", "EVENT", "RECEIVED", "(UTC)", "FAILURES", "REASON"]
    assert line.startswith("broken    workflow_job  20")
    assert line.endswith("  1         the body is not JSON")
    assert main(["dead-letters", "list", "--all"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert any("discarded: new row for relation" in line for line in lines)


def test_none_is_said_and_is_no_failure(
    command: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["dead-letters", "discard", "refused", "broken"]) == 0
    for arguments in (["list"], ["replay"]):
        assert main(["dead-letters", *arguments]) == 0
        assert capsys.readouterr().out == "There are no dead letters.\n"


def test_one_is_shown_with_its_body_in_lines_and_obeyed_by_no_terminal(
    command: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["dead-letters", "show", "refused"]) == 0
    out = capsys.readouterr().out
    assert "event      workflow_run\n" in out
    assert "reason     new row for relation" in out
    assert "failed     once, 20" in out
    assert "  content-type: application/json\n" in out
    assert json.loads(out.partition("body\n")[2]) == run_payload(13, name="\x1b[31mred")
    assert main(["dead-letters", "show", "broken"]) == 0
    assert capsys.readouterr().out.endswith("body\n\\x1b[2J {\n")
    command.execute("update raw.webhook_dead_letters set body = 'no zlib'")
    assert main(["dead-letters", "show", "broken"]) == 0
    assert "as it was buffered:\nb'no zlib'" in capsys.readouterr().out


def test_replaying_says_of_each_what_became_of_it(
    command: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    command.execute(MENDED)
    assert main(["dead-letters", "replay"]) == 1
    said = capsys.readouterr()
    assert (said.out, said.err) == ("refused: read\n", "broken: the body is not JSON\n")
    assert main(["dead-letters", "replay", "refused"]) == 1
    assert capsys.readouterr().err == "there is no dead letter refused\n"
    command.execute("update raw.webhook_dead_letters set body = %s", zlib.compress(b"{}"))
    command.execute("update raw.webhook_dead_letters set event = 'ping'")
    assert main(["dead-letters", "replay", "broken"]) == 0


@pytest.mark.parametrize("verb", ["show", "discard"])
def test_one_that_is_none_is_said(
    command: Installation, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    assert main(["dead-letters", verb, "no\nwhere"]) == 1
    assert "there is no dead letter no\\nwhere\n" in capsys.readouterr().err
