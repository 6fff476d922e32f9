"""The drain: every event ends in exactly one place, once, whatever comes with it."""

from collections.abc import Container
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
import redis

from actionsight.database import connect
from actionsight.event_buffer import STREAM
from ingestion.webhooks import store
from ingestion.webhooks.delivery import Delivery
from ingestion.webhooks.drain import DrainError
from ingestion.webhooks.parse import ParsedDelivery, parse_delivery
from tests.ingestion.webhooks.factories import (
    REPOSITORY_ID,
    Installation,
    counts,
    job_payload,
    run_payload,
    wait_until,
)

pytestmark = pytest.mark.integration


def test_a_batch_leaves_ledger_observations_effects_and_one_load(webhooks: Installation) -> None:
    run = webhooks.send("workflow_run", run_payload(7), X_GitHub_Hook_ID="12")
    job = webhooks.send("workflow_job", {**job_payload(8), "installation": {"id": 3}})
    ping = webhooks.send("ping", {"zen": "Keep it simple."})
    before = datetime.now(UTC)

    result = webhooks.drain()

    assert counts(result) == (3, 3, 0, 0)
    assert result.outcomes == {
        ("workflow_run", "observed"): 1,
        ("workflow_job", "observed"): 1,
        ("ping", "ignored"): 1,
    }
    assert result.rows_by_table == {
        "webhook_batches": 1,
        "webhook_events": 3,
        "webhook_runs": 1,
        "webhook_jobs": 1,
        "webhook_dead_letters": 0,
    }
    ledger = webhooks.ledger()
    assert {delivery: row["outcome"] for delivery, row in ledger.items()} == {
        run: "observed",
        job: "observed",
        ping: "ignored",
    }
    assert ledger[run]["headers"]["x-github-hook-id"] == "12"
    assert (ledger[job]["repository_id"], ledger[job]["installation_id"]) == (REPOSITORY_ID, 3)
    [batch] = webhooks.batches()
    assert result.batch_ids == (batch["batch_id"],)
    assert batch["event_count"] == 3
    assert (batch["run_count"], batch["job_count"], batch["dead_letter_count"]) == (1, 1, 0)
    assert abs(batch["drained_at"] - before) < timedelta(minutes=1)
    assert {row["batch_id"] for row in ledger.values()} == {batch["batch_id"]}
    [observed] = webhooks.observed("webhook_runs").values()
    assert (observed["run_id"], observed["batch_id"]) == (7, batch["batch_id"])
    assert observed["received_at"] == ledger[run]["received_at"]
    assert webhooks.repository()["newest_observation_at"] == ledger[job]["received_at"]
    assert webhooks.query("select load_id from raw.loads") == [{"load_id": batch["batch_id"]}]


def test_a_delivery_that_comes_again_changes_nothing(webhooks: Installation) -> None:
    first = webhooks.send("workflow_run", run_payload(7))
    webhooks.drain()
    before = webhooks.ledger(), webhooks.observed("webhook_runs"), webhooks.repository()
    webhooks.send("workflow_run", run_payload(7), first)
    webhooks.send("workflow_run", run_payload(8), first)
    webhooks.send("workflow_run", b"unreadable", first)
    result = webhooks.drain()
    assert counts(result) == (3, 0, 3, 0)
    assert result.batch_ids == ()
    assert len(webhooks.batches()) == 1
    assert (webhooks.ledger(), webhooks.observed("webhook_runs"), webhooks.repository()) == before
    assert webhooks.dead_letters() == {}


def test_one_delivery_twice_in_a_batch_counts_once(webhooks: Installation) -> None:
    for _ in range(3):
        webhooks.send("workflow_run", run_payload(7), "d-1")
    assert counts(webhooks.drain()) == (3, 1, 2, 0)
    assert list(webhooks.observed("webhook_runs")) == ["d-1"]


@pytest.mark.parametrize("bodies", [(b"bad", b""), (b"", b"bad"), (b"bad", b"", b"bad")])
@pytest.mark.parametrize("batch_size", [1, 10])
def test_a_delivery_that_is_readable_once_is_in_the_ledger_alone(
    webhooks: Installation, bodies: tuple[bytes, ...], batch_size: int
) -> None:
    for body in bodies:
        webhooks.send("workflow_run", body or run_payload(7), "d-1")
    webhooks.drain(batch_size=batch_size)
    assert list(webhooks.ledger()) == ["d-1"]
    assert list(webhooks.observed("webhook_runs")) == ["d-1"]
    assert webhooks.dead_letters() == {}


def test_what_is_unreadable_is_kept_with_its_bytes_and_why(webhooks: Installation) -> None:
    webhooks.send("workflow_job", job_payload(run_id=None), "d-1")
    webhooks.send("ping", {"zen": ""}, "d-2")
    result = webhooks.drain()
    assert counts(result) == (2, 1, 0, 1)
    assert result.rows_by_table["webhook_dead_letters"] == 1
    [letter] = webhooks.dead_letters().values()
    assert (letter["delivery_id"], letter["event"]) == ("d-1", "workflow_job")
    assert letter["error"] == "workflow_job: run_id is missing"
    assert (letter["failure_count"], letter["discarded_at"]) == (1, None)
    assert letter["headers"]["content-type"] == "application/json"
    assert webhooks.batches()[0]["dead_letter_count"] == 1

    webhooks.send("workflow_job", b"worse", "d-1")
    webhooks.send("workflow_job", b"worst", "d-1")
    assert counts(webhooks.drain()) == (2, 0, 0, 1)
    [letter] = webhooks.dead_letters().values()
    assert (letter["failure_count"], letter["error"]) == (3, "the body is not JSON")
    # A batch that brought no rows asks for no build.
    assert webhooks.query("select from raw.loads") == []


def test_of_a_repository_that_is_not_monitored_the_ledger_keeps_the_row_alone(
    webhooks: Installation,
) -> None:
    removed = 12
    webhooks.monitor(removed)
    webhooks.execute("update app.repositories set removed_at = now() where repository_id = 12")
    webhooks.send("workflow_run", run_payload(repository_id=removed), "d-1")
    webhooks.send("workflow_job", {**job_payload(), "repository": {"id": 13}}, "d-2")
    private = {"action": "privatized", "repository": {"id": removed, "name": "secret"}}
    webhooks.send("repository", private, "d-3")
    result = webhooks.drain()
    assert (result.new_count, result.run_count, result.job_count) == (3, 0, 0)
    ledger = webhooks.ledger().values()
    assert {(row["outcome"], row["payload"]) for row in ledger} == {("not_monitored", None)}
    assert webhooks.repository(removed)["newest_observation_at"] is None


def test_the_newest_observation_never_goes_back(webhooks: Installation) -> None:
    later = datetime.now(UTC) + timedelta(days=1)
    webhooks.execute("update app.repositories set newest_observation_at = %s", later)
    webhooks.send("workflow_run", run_payload())
    webhooks.drain()
    assert webhooks.repository()["newest_observation_at"] == later


@pytest.mark.parametrize(("batch_size", "part_size"), [(3, 100), (100, 5), (100, 100)])
def test_what_postgresql_refuses_is_found_and_the_rest_is_stored(
    webhooks: Installation, monkeypatch: pytest.MonkeyPatch, batch_size: int, part_size: int
) -> None:
    monkeypatch.setattr(store, "PART_SIZE", part_size)
    webhooks.execute("alter table raw.webhook_runs add check (run_id not in (13, 14))")
    webhooks.execute("alter table raw.webhook_jobs alter name type varchar(3)")
    for number in range(10, 20):
        webhooks.send("workflow_run", run_payload(number), f"d-{number}")
    webhooks.send("workflow_job", job_payload(20, name="four"), "d-20")
    webhooks.send("workflow_job", job_payload(21, name="one"), "d-21")
    result = webhooks.drain(batch_size=batch_size)
    assert counts(result) == (12, 9, 0, 3)
    letters = webhooks.dead_letters()
    assert set(letters) == {"d-13", "d-14", "d-20"}
    assert "violates check constraint" in letters["d-13"]["error"]
    assert "Failing row" not in letters["d-13"]["error"]
    assert letters["d-20"]["error"] == "value too long for type character varying(3)"
    assert set(webhooks.ledger()) == {f"d-{number}" for number in range(10, 22)} - set(letters)
    assert len(webhooks.observed("webhook_runs")) == 8
    assert sum(batch["run_count"] for batch in webhooks.batches()) == 8
    assert webhooks.buffer.freshness().event_count == 0


def test_a_part_is_read_while_postgresql_writes_the_one_before(
    webhooks: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def note(delivery: Delivery, monitored: Container[int]) -> ParsedDelivery:
        read.append(delivery.delivery_id)
        return parse_delivery(delivery, monitored)

    monkeypatch.setattr(store, "PART_SIZE", 2)
    monkeypatch.setattr(store, "parse_delivery", note)
    ids = [webhooks.send("ping", {}) for _ in range(6)]
    with ThreadPoolExecutor(1) as threads, connect(webhooks.database_url) as other:
        other.execute("lock table raw.webhook_deliveries in exclusive mode")
        draining = threads.submit(webhooks.drain)
        wait_until(webhooks.waiting)
        # No more than one part is read ahead, however long that takes.
        wait_until(lambda: len(read) >= 4)
        assert read == ids[:4]
        other.rollback()
        assert counts(draining.result()) == (6, 6, 0, 0)
    assert read == ids


def test_a_fault_of_our_own_costs_one_event(
    webhooks: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(delivery: object, monitored: object) -> object:
        raise KeyError("a secret")

    webhooks.send("ping", {}, "d-1")
    monkeypatch.setattr(store, "parse_delivery", faulty)
    assert counts(webhooks.drain()) == (1, 0, 0, 1)
    assert webhooks.dead_letters()["d-1"]["error"] == "Actionsight failed to read it: KeyError"


def test_entries_that_no_receiver_wrote_stop_nothing(
    webhooks: Installation, redis_url: str
) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.xadd(STREAM, {"anything": b"\xff"})
        client.xadd(STREAM, {"headers": b'{"x-github-delivery": 5, "a": null}', "body": b"x"})
        client.xadd(STREAM, {"headers": b'{"x-github-delivery": "\\u0000", "\\u0000": "\\u0000"}'})
    good = webhooks.send("workflow_run", run_payload())
    assert counts(webhooks.drain()) == (4, 1, 0, 3)
    assert list(webhooks.ledger()) == [good]
    assert len(webhooks.dead_letters()) == 3


def test_neither_log_nor_error_holds_anything_of_a_body(
    webhooks: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    token = "ghs_0123456789"
    webhooks.send("workflow_run", run_payload(id=token))
    webhooks.send("workflow_run", run_payload(name=token), token)
    webhooks.send("ping", b"unreadable " + token.encode())
    webhooks.drain()
    assert "2 deliveries could not be read" in caplog.text
    # PostgreSQL refuses the row, and says which.
    webhooks.execute(
        """
        create function raw.fail() returns trigger language plpgsql as $$
        begin
            raise 'not this one' using detail = new.delivery_id;
        end $$
        """
    )
    webhooks.execute(
        """
        create trigger fail before insert on raw.webhook_runs
        for each row execute function raw.fail()
        """
    )
    webhooks.send("workflow_run", run_payload(), f"again {token}")
    with pytest.raises(DrainError) as caught:
        webhooks.drain()
    assert isinstance(caught.value.__context__, psycopg.errors.RaiseException)
    assert token in str(caught.value.__context__)
    assert token not in str(caught.value)
    assert caught.value.__suppress_context__
    assert token not in caplog.text


def test_what_changes_a_repository_lets_the_next_poll_look_at_it(webhooks: Installation) -> None:
    webhooks.monitor(5_000)
    webhooks.execute("update app.repositories set looked_at = now()")
    webhooks.execute(
        "insert into app.repository_selections (name, listed_at)"
        " values ('octo/*', now()), ('other/*', now())"
    )
    webhooks.send("repository", {"action": "renamed", "repository": {"id": REPOSITORY_ID}})
    grown = {"account": {"login": "Octo"}}
    webhooks.send("installation_repositories", {"action": "added", "installation": grown})
    webhooks.drain()
    assert webhooks.repository()["looked_at"] is None
    assert webhooks.repository(5_000)["looked_at"] is not None
    due = "select name from app.repository_selections where listed_at < now() - interval '1 hour'"
    assert webhooks.query(due) == [{"name": "octo/*"}]
