"""A drain among others: its budget, its lock, and servers that fail it."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from actionsight.database import connect
from actionsight.event_buffer import EventBuffer
from actionsight.locks import WEBHOOK_LOCK
from ingestion.webhooks.drain import DrainError, drain
from tests.ingestion.webhooks.factories import (
    PATIENCE_SECONDS,
    REPOSITORY_ID,
    Installation,
    counts,
    run_payload,
    wait_until,
)
from tests.support.services import Databases

pytestmark = pytest.mark.integration


def test_an_empty_buffer_needs_no_database(redis_url: str) -> None:
    buffer = EventBuffer(redis_url)
    result = drain("postgresql://nobody@127.0.0.1:1/none", buffer)
    buffer.close()
    assert counts(result) == (0, 0, 0, 0)
    assert not result.is_busy
    assert not result.is_at_budget


def test_it_ends_at_its_budget_and_says_that_events_are_left(webhooks: Installation) -> None:
    for number in range(10):
        webhooks.send("workflow_run", run_payload(number))
    times = iter([0.0, 4.0, 9.9, 10.0])
    result = webhooks.drain(seconds=10, batch_size=2, clock=lambda: next(times))
    assert (result.event_count, len(result.batch_ids), result.is_at_budget) == (6, 3, True)
    assert list(result.batch_ids) == sorted(result.batch_ids)
    result = webhooks.drain(seconds=0, batch_size=4)
    assert (result.event_count, result.is_at_budget) == (4, False)


def test_what_an_earlier_drain_took_and_did_not_forget_comes_first(webhooks: Installation) -> None:
    for number in range(4):
        webhooks.send("workflow_run", run_payload(number), f"d-{number}")
    assert len(webhooks.buffer.new(2)) == 2
    times = iter([0.0, 1.0])
    webhooks.drain(seconds=1, batch_size=2, clock=lambda: next(times))
    assert set(webhooks.ledger()) == {"d-0"}
    webhooks.drain()
    assert len(webhooks.ledger()) == 4


def test_beside_another_drain_it_ends_at_once_or_waits(webhooks: Installation) -> None:
    webhooks.send("workflow_run", run_payload())
    with (
        ThreadPoolExecutor() as threads,
        connect(webhooks.database_url) as other,
    ):
        other.execute("select pg_advisory_xact_lock(%s)", [WEBHOOK_LOCK])
        result = webhooks.drain()
        assert (result.is_busy, counts(result)) == (True, (0, 0, 0, 0))
        assert webhooks.buffer.claims(1) == {}
        waiting = threads.submit(webhooks.drain, waits=True)
        wait_until(webhooks.waiting)
        other.rollback()
        result = waiting.result(PATIENCE_SECONDS)
    assert (result.is_busy, counts(result)) == (False, (1, 1, 0, 0))


def test_many_drains_at_once_store_everything_once(webhooks: Installation) -> None:
    ids = {webhooks.send("workflow_run", run_payload(number)) for number in range(200)}
    with ThreadPoolExecutor(4) as threads:
        drains = [threads.submit(webhooks.drain, waits=True, batch_size=7) for _ in range(4)]
        results = [each.result(PATIENCE_SECONDS) for each in drains]
    assert sum(result.new_count for result in results) == 200
    assert set(webhooks.ledger()) == set(webhooks.observed("webhook_runs")) == ids
    assert webhooks.buffer.freshness().event_count == 0


def test_of_two_that_wait_for_each_other_the_drain_tries_again(
    webhooks: Installation, postgres_server: Databases
) -> None:
    webhooks.monitor(5_000)
    webhooks.send("workflow_run", run_payload(1))
    webhooks.send("workflow_run", run_payload(2, repository_id=5_000))
    update = "update app.repositories set trouble = 'x' where repository_id = %s"
    with (
        ThreadPoolExecutor() as threads,
        connect(postgres_server.as_superuser(webhooks.database_url)) as poll,
    ):
        # Only a superuser chooses who of the two is the victim.
        poll.execute("set deadlock_timeout = '10s'")
        poll.execute(update, [5_000])
        drained = threads.submit(webhooks.drain)
        wait_until(webhooks.waiting)
        poll.execute(update, [REPOSITORY_ID])
        poll.commit()
        result = drained.result(PATIENCE_SECONDS)
    assert counts(result) == (2, 2, 0, 0)
    assert webhooks.repository(5_000)["newest_observation_at"] is not None


def test_a_database_that_is_not_migrated_is_named_with_its_remedy(
    empty_database_url: str, redis_url: str
) -> None:
    buffer = EventBuffer(redis_url)
    buffer.append({"X-GitHub-Event": "ping"}, b"{}")
    with pytest.raises(DrainError, match="actionsight migrate"):
        drain(empty_database_url, buffer)
    assert buffer.freshness().event_count == 1
    buffer.close()


def test_an_event_buffer_that_is_away_is_one_sentence(webhooks: Installation) -> None:
    buffer = EventBuffer("redis://:secret@127.0.0.1:1/0")
    with pytest.raises(DrainError, match="the event buffer does not answer") as caught:
        drain(webhooks.database_url, buffer)
    assert "secret" not in str(caught.value)


def test_what_comes_while_it_works_keeps_it_from_no_end(webhooks: Installation) -> None:
    class Steady(EventBuffer):
        """A buffer into which an event comes whenever a batch leaves it."""

        def acknowledge(self, entry_ids: Sequence[str]) -> None:
            super().acknowledge(entry_ids)
            webhooks.send("workflow_run", run_payload())

    for number in range(3):
        webhooks.send("workflow_run", run_payload(number))
    assert webhooks.settings.redis_url is not None
    steady = Steady(webhooks.settings.redis_url)
    result = drain(webhooks.database_url, steady, batch_size=2)
    steady.close()
    assert result.event_count == 4
    assert not result.is_at_budget
    assert webhooks.buffer.freshness().event_count == 1
