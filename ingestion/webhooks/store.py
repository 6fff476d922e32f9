"""Deliveries into the tables, within a transaction that the caller holds, and the lock with it.

The ledger's key decides what is new; only new deliveries leave observations and effects. So any
delivery can come again at any time, and nothing happens twice.
"""

import secrets
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import psycopg
from psycopg import Connection

from actionsight.repositories import apply_webhooks, list_owners_again
from actionsight.webhook_payloads import add_weeks
from ingestion.database_errors import first_line
from ingestion.github.schema import WORKFLOW_JOBS, WORKFLOW_RUNS
from ingestion.webhooks import tables
from ingestion.webhooks.delivery import Delivery
from ingestion.webhooks.parse import UnreadableEventError, parse_delivery
from ingestion.webhooks.revocations import apply_revocations
from ingestion.webhooks.tables import Failure, Read

LONGEST_REASON = 300
# So many deliveries are read while PostgreSQL writes those before.
PART_SIZE = 200


@dataclass
class Stored:
    """What came of deliveries: how many were new to the ledger, known, or unreadable, and why.

    `outcomes`: new deliveries by (event, outcome). `failures`: the reason by delivery id.
    """

    batch_ids: list[str] = field(default_factory=list)
    event_count: int = 0
    new_count: int = 0
    duplicate_count: int = 0
    run_count: int = 0
    job_count: int = 0
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    failures: dict[str, str] = field(default_factory=dict)

    def add(self, other: "Stored") -> None:
        """Count another's in."""
        self.batch_ids += other.batch_ids
        self.event_count += other.event_count
        self.new_count += other.new_count
        self.duplicate_count += other.duplicate_count
        self.run_count += other.run_count
        self.job_count += other.job_count
        self.outcomes += other.outcomes
        self.failures |= other.failures


def store(
    connection: Connection[Any], deliveries: Sequence[Delivery], *, is_replay: bool = False
) -> Stored:
    """Store deliveries; of those that PostgreSQL refuses for their data the rest.

    A refused set is halved until the culprit stands alone: it becomes a dead letter.

    Raises:
        psycopg.Error: PostgreSQL refuses for another reason; the transaction is lost.
    """
    try:
        with connection.transaction():
            return _store(connection, deliveries, None, is_replay)
    except (
        psycopg.DataError,
        psycopg.IntegrityError,
        psycopg.errors.ProgramLimitExceeded,
    ) as error:
        if len(deliveries) == 1:
            return _store(connection, deliveries, first_line(error), is_replay)
    middle = len(deliveries) // 2
    stored = store(connection, deliveries[:middle], is_replay=is_replay)
    stored.add(store(connection, deliveries[middle:], is_replay=is_replay))
    return stored


def refuse(connection: Connection[Any], deliveries: Sequence[Delivery], reason: str) -> Stored:
    """Make dead letters of deliveries for this reason, without reading their bodies.

    Raises:
        psycopg.Error: PostgreSQL refuses; the transaction is lost.
    """
    return _store(connection, deliveries, reason, is_replay=False)


def _store(
    connection: Connection[Any],
    deliveries: Sequence[Delivery],
    refusal: str | None,
    is_replay: bool,
) -> Stored:
    batch_id = f"webhook-{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{secrets.token_hex(4)}"
    known = tables.find_known(connection, [delivery.delivery_id for delivery in deliveries])
    new = [delivery for delivery in deliveries if delivery.delivery_id not in known]
    add_weeks(connection, (delivery.received_at for delivery in new))
    failures: dict[str, Failure] = {}
    fresh: list[Read] = []
    run_count = job_count = 0
    parts = _parts(_read(new, refusal, tables.monitored(connection), failures))
    for part in _one_ahead(parts):
        tables.insert_events(connection, batch_id, part)
        run_count += tables.insert_observations(connection, batch_id, WORKFLOW_RUNS, part)
        job_count += tables.insert_observations(connection, batch_id, WORKFLOW_JOBS, part)
        fresh += part
    repository_count = tables.insert_repository_states(connection, batch_id, fresh)
    connection.execute(
        "delete from raw.webhook_dead_letters where delivery_id = any(%s)",
        [[delivery.delivery_id for delivery, _ in fresh]],
    )
    tables.insert_dead_letters(connection, failures.values(), is_replay)
    stored = Stored(
        event_count=len(deliveries),
        new_count=len(fresh),
        duplicate_count=len(deliveries) - len(fresh) - sum(f.count for f in failures.values()),
        run_count=run_count,
        job_count=job_count,
        outcomes=Counter((delivery.event, parsed.outcome) for delivery, parsed in fresh),
        failures={each: failure.reason for each, failure in failures.items()},
    )
    if fresh or failures:
        stored.batch_ids.append(batch_id)
        tables.insert_batch(
            connection,
            batch_id,
            event_count=stored.new_count,
            run_count=stored.run_count,
            job_count=stored.job_count,
            repository_count=repository_count,
            dead_letter_count=len(stored.failures),
        )
    # Last, so that a poll that wants to update the same rows waits as shortly as it can.
    _update_repositories(connection, fresh)
    effects = [parsed.effect for _, parsed in fresh if parsed.effect]
    list_owners_again(
        connection, {effect.grows_owner for effect in effects if effect.grows_owner is not None}
    )
    apply_revocations(connection, effects)
    return stored


def _parts(read: Iterator[Read]) -> Iterator[list[Read]]:
    """What is read, in lists of what is written together."""
    while part := list(islice(read, PART_SIZE)):
        yield part


def _one_ahead(parts: Iterator[list[Read]]) -> Iterator[list[Read]]:
    """The same parts, each of which is read while the caller writes the one before it."""
    with ThreadPoolExecutor(1) as reader:
        following = reader.submit(next, parts, [])
        while part := following.result():
            following = reader.submit(next, parts, [])
            yield part


def _read(
    deliveries: Iterable[Delivery],
    refusal: str | None,
    monitored: Collection[int],
    failures: dict[str, Failure],
) -> Iterator[Read]:
    """What can be read, and into `failures` what cannot: one that comes twice is in one of the
    two."""
    read: set[str] = set()
    for delivery in deliveries:
        delivery_id = delivery.delivery_id
        if delivery_id in read:
            continue
        try:
            if refusal is not None:
                raise UnreadableEventError(refusal)
            parsed = parse_delivery(delivery, monitored)
        except UnreadableEventError as error:
            reason = str(error)[:LONGEST_REASON]
        except Exception as error:
            # A fault of ours must not stop the others: once it is mended, this one is replayed.
            reason = f"Actionsight failed to read it: {type(error).__name__}"
        else:
            read.add(delivery_id)
            failures.pop(delivery_id, None)
            yield delivery, parsed
            continue
        earlier = failures.get(delivery_id)
        failures[delivery_id] = Failure(delivery, reason, earlier.count + 1 if earlier else 1)


def _update_repositories(connection: Connection[Any], fresh: Iterable[Read]) -> None:
    """Note when something new was seen of repositories, which became private, and which the next
    poll is to look at."""
    observed: dict[int, datetime] = {}
    closed: set[int] = set()
    changed: set[int] = set()
    for delivery, parsed in fresh:
        repository_id = parsed.repository_id
        if repository_id is None:
            continue
        if parsed.effect is not None and parsed.effect.is_to_be_looked_at:
            changed.add(repository_id)
        if parsed.effect is not None and parsed.effect.makes_private:
            closed.add(repository_id)
        elif parsed.outcome == "observed":
            earlier = observed.get(repository_id, delivery.received_at)
            observed[repository_id] = max(earlier, delivery.received_at)
    apply_webhooks(connection, observed, closed, changed)
