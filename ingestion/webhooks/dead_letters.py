"""Deliveries that could not be read: kept with their bytes and the reason, to be tried again.

All functions take a connection in autocommit mode.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

from ingestion.webhooks.delivery import Delivery
from ingestion.webhooks.locking import wait_for_lock
from ingestion.webhooks.store import store

# Their bodies are held in memory together.
REPLAYED_TOGETHER = 50


@dataclass(frozen=True)
class DeadLetter:
    """A delivery that could not be read; times are UTC, `body` is compressed."""

    delivery_id: str
    event: str
    received_at: datetime
    headers: dict[str, str]
    body: bytes
    failed_at: datetime
    failure_count: int
    error: str
    discarded_at: datetime | None

    @property
    def delivery(self) -> Delivery:
        """The delivery as it came."""
        return Delivery(self.delivery_id, self.event, self.received_at, self.headers, self.body)


@dataclass
class Replayed:
    """Which dead letters went to the ledger, and why others did not; `unknown` are none."""

    moved: list[str] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)


def list_dead_letters(
    connection: Connection[Any], *, with_discarded: bool = False
) -> list[DeadLetter]:
    """Dead letters without their bodies and headers, oldest first."""
    with connection.cursor(row_factory=class_row(DeadLetter)) as cursor:
        return cursor.execute(
            """
            select
                delivery_id,
                event,
                received_at,
                '{}'::jsonb as headers,
                ''::bytea as body,
                failed_at,
                failure_count,
                error,
                discarded_at
            from raw.webhook_dead_letters
            where %s or discarded_at is null
            order by received_at, delivery_id
            """,
            [with_discarded],
        ).fetchall()


def find_dead_letter(connection: Connection[Any], delivery_id: str) -> DeadLetter | None:
    """One dead letter, discarded or not."""
    letters = _read(connection, [delivery_id])
    return letters[0] if letters else None


def replay(connection: Connection[Any], delivery_ids: Sequence[str] = ()) -> Replayed:
    """Read dead letters again: some, or all that are not discarded.

    One that can be read now moves to the ledger, with all that this leads to; of another the
    failures are counted, and the reason is the new one.

    Raises:
        psycopg.Error: PostgreSQL fails; what was moved until then stays moved.
    """
    chosen = list(dict.fromkeys(delivery_ids)) or [
        letter.delivery_id for letter in list_dead_letters(connection)
    ]
    result = Replayed()
    for start in range(0, len(chosen), REPLAYED_TOGETHER):
        some = chosen[start : start + REPLAYED_TOGETHER]
        with connection.transaction():
            wait_for_lock(connection)
            deliveries = [letter.delivery for letter in _read(connection, some)]
            failures = store(connection, deliveries, is_replay=True).failures
        found = {delivery.delivery_id for delivery in deliveries}
        result.moved += [each for each in some if each in found and each not in failures]
        result.failures |= failures
        result.unknown += [each for each in some if each not in found]
    return result


def discard(connection: Connection[Any], delivery_ids: Collection[str]) -> list[str]:
    """Hide dead letters that nobody needs; give the ids that are none."""
    rows = connection.execute(
        """
        update raw.webhook_dead_letters set discarded_at = coalesce(discarded_at, now())
        where delivery_id = any(%s)
        returning delivery_id
        """,
        [list(delivery_ids)],
    ).fetchall()
    discarded = {delivery_id for (delivery_id,) in rows}
    return [delivery_id for delivery_id in delivery_ids if delivery_id not in discarded]


def _read(connection: Connection[Any], delivery_ids: Collection[str]) -> list[DeadLetter]:
    with connection.cursor(row_factory=class_row(DeadLetter)) as cursor:
        return cursor.execute(
            "select * from raw.webhook_dead_letters where delivery_id = any(%s)",
            [list(delivery_ids)],
        ).fetchall()
