"""The drain: buffered events into the raw tables, batch by batch, each in one transaction.

    lock → take a batch → ledger, observations, dead letters, effects → commit → acknowledge

An event leaves the buffer after it is committed. A drain that ends in between, however it ends, is
made good by the next one: what is claimed comes first, and the ledger knows it.

A batch is bounded by its bytes. One that the drain did not survive comes again in parts, then one
by one; what no drain survives goes to the dead letters unread.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg
import redis
from psycopg import Connection
from psycopg.errors import DeadlockDetected

from actionsight.database import connect
from actionsight.event_buffer import Event, EventBuffer
from ingestion.database_errors import explained, first_line
from ingestion.webhooks.delivery import from_event
from ingestion.webhooks.locking import try_lock, wait_for_lock
from ingestion.webhooks.store import Stored, refuse, store

logger = logging.getLogger(__name__)

BATCH_SIZE = 2_000
# Each drain that ended over a batch makes the next try so many times smaller.
DIVISOR = 16
# So often taken before: it comes alone, after all others; or it is not read any more.
SUSPECT_CLAIMS = 3
DEADLY_CLAIMS = 5
DEADLY = f"{DEADLY_CLAIMS} drains ended while they read it: replaying it may need much memory"
# More than a batch and the suspects are never taken at once.
MOST_CLAIMED = 5_000
# A poll can update the same repositories; PostgreSQL ends one of two that wait for each other.
TRIES = 3


class DrainError(Exception):
    """PostgreSQL or the event buffer failed; what was committed stays, the rest waits.

    The message is one sentence for an operator and holds nothing of a payload.
    """


@dataclass(frozen=True)
class DrainResult:
    """What a drain did.

    Every event that was read was new to the ledger, or known (`duplicate_count`), or it stands in
    the dead letters now (`dead_letter_count` counts deliveries, one that came twice once).
    `batch_ids`: what its rows were loaded by. `outcomes`: new events by (event, outcome).
    `is_at_budget`: it ended with events left, when its seconds were over. `is_busy`: another drain
    was under way, so this one did nothing (more).
    """

    event_count: int
    new_count: int
    duplicate_count: int
    dead_letter_count: int
    run_count: int
    job_count: int
    batch_ids: tuple[str, ...]
    outcomes: dict[tuple[str, str], int]
    is_at_budget: bool
    is_busy: bool

    def __add__(self, later: "DrainResult") -> "DrainResult":
        """What this and a later drain did."""
        return DrainResult(
            event_count=self.event_count + later.event_count,
            new_count=self.new_count + later.new_count,
            duplicate_count=self.duplicate_count + later.duplicate_count,
            dead_letter_count=self.dead_letter_count + later.dead_letter_count,
            run_count=self.run_count + later.run_count,
            job_count=self.job_count + later.job_count,
            batch_ids=self.batch_ids + later.batch_ids,
            outcomes=dict(Counter(self.outcomes) + Counter(later.outcomes)),
            is_at_budget=later.is_at_budget,
            is_busy=later.is_busy,
        )

    @property
    def rows_by_table(self) -> dict[str, int]:
        """New rows of each raw table that a drain writes."""
        return {
            "webhook_batches": len(self.batch_ids),
            "webhook_events": self.new_count,
            "webhook_runs": self.run_count,
            "webhook_jobs": self.job_count,
            "webhook_dead_letters": self.dead_letter_count,
        }


def drain(
    database_url: str,
    buffer: EventBuffer,
    *,
    seconds: float | None = None,
    waits: bool = False,
    batch_size: int = BATCH_SIZE,
    clock: Callable[[], float] = time.monotonic,
) -> DrainResult:
    """Move what waits in the buffer into the raw tables; what comes meanwhile may be left there.

    Args:
        seconds: no batch begins after so long; None: none is too late.
        waits: for another drain to end its batch; else this one ends where another is under way.
        batch_size: most events of one transaction.
        clock: tells how time passes, in seconds.

    Raises:
        DrainError: PostgreSQL or the event buffer failed.
    """
    total = Stored()
    is_at_budget = is_busy = False
    began = clock()
    try:
        # Most ticks find nothing, and need no connection to PostgreSQL.
        if waiting := buffer.freshness().event_count:
            with connect(database_url, autocommit=True) as connection:
                while True:
                    stored = _drain_batch(connection, buffer, batch_size, waits=waits)
                    is_busy = stored is None
                    if stored is None or not stored.event_count:
                        break
                    total.add(stored)
                    # Under steady deliveries there is always one more, and the build waits.
                    if total.event_count >= waiting:
                        break
                    if seconds is not None and clock() - began >= seconds:
                        is_at_budget = buffer.freshness().event_count > 0
                        break
    except psycopg.Error as error:
        # Without its cause: PostgreSQL's details can quote the row that it refuses.
        raise DrainError(explained(error)) from None
    except redis.RedisError as error:
        raise DrainError(f"the event buffer does not answer: {first_line(error)}") from error
    return DrainResult(
        event_count=total.event_count,
        new_count=total.new_count,
        duplicate_count=total.duplicate_count,
        dead_letter_count=len(total.failures),
        run_count=total.run_count,
        job_count=total.job_count,
        batch_ids=tuple(total.batch_ids),
        outcomes=dict(total.outcomes),
        is_at_budget=is_at_budget,
        is_busy=is_busy,
    )


@dataclass(frozen=True)
class _Batch:
    """Events of one transaction, all of which were taken so often before."""

    events: list[Event] = field(default_factory=list)
    claims: int = 0


def _take(buffer: EventBuffer, size: int) -> _Batch:
    """The next batch: what a drain left, the least suspect first; then what is new; then, one by
    one, what may have ended drains, so that all others are through before."""
    while True:
        claims = buffer.claims(MOST_CLAIMED)
        least = min(claims.values(), default=SUSPECT_CLAIMS)
        if least >= SUSPECT_CLAIMS and (events := buffer.new(size)):
            return _Batch(events)
        if not claims:
            return _Batch()
        ids = [entry_id for entry_id, count in claims.items() if count == least]
        part = 1 if least >= SUSPECT_CLAIMS else max(1, size // DIVISOR**least)
        if events := buffer.claim(ids[:part]):
            return _Batch(events, least)


def _store(connection: Connection[Any], batch: _Batch) -> Stored:
    deliveries = [from_event(event) for event in batch.events]
    if batch.claims >= DEADLY_CLAIMS:
        return refuse(connection, deliveries, DEADLY)
    if batch.claims >= SUSPECT_CLAIMS:
        logger.warning(
            "%d drains ended over a batch with the delivery %s: trying it alone",
            batch.claims,
            ascii(deliveries[0].delivery_id),
        )
    return store(connection, deliveries)


def _drain_batch(
    connection: Connection[Any], buffer: EventBuffer, size: int, *, waits: bool
) -> Stored | None:
    """One batch, acknowledged once it is committed; None where another drain is under way."""
    tries_left = TRIES
    while True:
        tries_left -= 1
        batch = _Batch()
        try:
            with connection.transaction():
                if waits:
                    wait_for_lock(connection)
                elif not try_lock(connection):
                    return None
                batch = _take(buffer, size)
                if not batch.events:
                    return Stored()
                stored = _store(connection, batch)
            break
        except Exception as error:
            # We live: whatever failed, it was not these events that ended a drain.
            with suppress(redis.RedisError):
                buffer.give_back([event.entry_id for event in batch.events], batch.claims)
            if not (isinstance(error, DeadlockDetected) and tries_left):
                raise
            logger.info("PostgreSQL ended a batch for another transaction: trying again")
    buffer.acknowledge([event.entry_id for event in batch.events])
    if stored.failures:
        logger.warning(
            "%d deliveries could not be read: see `actionsight dead-letters list`",
            len(stored.failures),
        )
    return stored
