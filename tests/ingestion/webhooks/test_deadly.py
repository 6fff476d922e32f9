"""What a drain does not survive: it ends in the dead letters, and holds nobody up."""

from itertools import count

import pytest

from ingestion.webhooks import store
from ingestion.webhooks.delivery import Delivery
from ingestion.webhooks.drain import DEADLY_CLAIMS, DrainError
from ingestion.webhooks.parse import parse_delivery, raw_body
from tests.ingestion.webhooks.factories import Installation, run_payload

pytestmark = pytest.mark.integration


class Killed(BaseException):
    """The process ends here: nothing of ours catches this, and no more is done."""


@pytest.fixture
def deadly(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Deliveries that end the process when their bodies are read."""
    ids: set[str] = set()

    def read(delivery: Delivery, monitored: set[int]) -> object:
        if delivery.delivery_id in ids:
            raise Killed
        return parse_delivery(delivery, monitored)

    monkeypatch.setattr(store, "parse_delivery", read)
    return ids


def deaths(webhooks: Installation) -> int:
    """Drain as ticks do, until one survives; gives how many did not."""
    for died in count():
        try:
            webhooks.drain()
        except Killed:
            continue
        return died
    raise AssertionError


def test_an_event_that_no_drain_survives_is_a_dead_letter_after_five(
    webhooks: Installation, deadly: set[str]
) -> None:
    body = b'{"workflow_run": ' + b"[" * 1_000
    ids = {webhooks.send("workflow_run", run_payload(n), f"d-{n}") for n in range(300)}
    webhooks.send("workflow_run", body, "deadly")
    ids |= {webhooks.send("workflow_run", run_payload(n), f"d-{n}") for n in range(300, 600)}
    deadly.add("deadly")
    assert deaths(webhooks) == DEADLY_CLAIMS
    assert set(webhooks.ledger()) == ids
    [letter] = webhooks.dead_letters().values()
    assert letter["delivery_id"] == "deadly"
    assert letter["error"].startswith("5 drains ended while they read it")
    kept = Delivery("deadly", "workflow_run", letter["received_at"], {}, letter["body"])
    assert raw_body(kept) == body
    assert webhooks.buffer.freshness().event_count == 0


def test_what_a_death_takes_along_is_through_before_the_deadly_comes_again(
    webhooks: Installation, deadly: set[str]
) -> None:
    ids = {webhooks.send("workflow_run", run_payload(n), f"d-{n}") for n in range(40)}
    webhooks.send("ping", {}, "deadly")
    deadly.add("deadly")
    for expected in (0, 0, 40):  # of 41; of two by two, in whose first it is not; alone
        with pytest.raises(Killed):
            webhooks.drain(batch_size=41)
        assert len(webhooks.ledger()) >= expected
    later = webhooks.send("ping", {}, "later")
    with pytest.raises(Killed):
        webhooks.drain()
    assert set(webhooks.ledger()) == {*ids, later}


def test_several_deadly_ones_are_found_together(webhooks: Installation, deadly: set[str]) -> None:
    ids = {webhooks.send("workflow_run", run_payload(n), f"d-{n}") for n in range(100)}
    deadly |= {"d-10", "d-11", "d-90"}
    assert deaths(webhooks) <= DEADLY_CLAIMS * len(deadly)
    assert set(webhooks.dead_letters()) == deadly
    assert set(webhooks.ledger()) == ids - deadly


def test_a_database_that_refuses_makes_nobody_suspect(webhooks: Installation) -> None:
    ids = {webhooks.send("workflow_run", run_payload(n), f"d-{n}") for n in range(3)}
    webhooks.execute("alter table raw.webhook_batches rename to elsewhere")
    for _ in range(DEADLY_CLAIMS + 1):
        with pytest.raises(DrainError):
            webhooks.drain()
    assert set(webhooks.buffer.claims(10).values()) == {0}
    webhooks.execute("alter table raw.elsewhere rename to webhook_batches")
    assert webhooks.drain().new_count == 3
    assert set(webhooks.ledger()) == ids
