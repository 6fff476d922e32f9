"""The buffer between receiver and drain: one Redis stream, from which nothing goes unless told.

An event is acknowledged by the drain once it is committed, and deleted in the same step. Whatever
happens in between, it is delivered again: the ledger in PostgreSQL decides what was seen before.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

import orjson
import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

STREAM = "actionsight:events"
GROUP = "drain"
# One name for all: one drain works at a time, and takes up what the one before it left.
CONSUMER = "drain"
# As fast as the strongest level, or faster, and a quarter of the body's size.
COMPRESSION_LEVEL = 1
# Twice this, with the second try, is well within the ten seconds that GitHub waits.
TIMEOUT_SECONDS = 2

_Answer = list[tuple[bytes, list[tuple[bytes, dict[bytes, bytes]]]]]


@dataclass(frozen=True)
class Event:
    """A delivery as it was buffered; header names are in lower case, `body` is compressed."""

    entry_id: str
    received_at: datetime
    headers: dict[str, str]
    body: bytes

    @property
    def delivery_id(self) -> str:
        """GitHub's GUID, the same for a redelivery; by it the ledger knows a delivery."""
        return self.headers.get("x-github-delivery") or f"entry {self.entry_id}"

    @property
    def name(self) -> str:
        """The kind of event, such as `workflow_run`."""
        return self.headers.get("x-github-event") or "unknown"


@dataclass(frozen=True)
class Freshness:
    """How much waits to be drained, and since when (UTC; None: nothing does)."""

    event_count: int
    oldest_received_at: datetime | None


class EventBuffer:
    """The stream at `url`; safe to share between threads and to make before a fork."""

    def __init__(self, url: str) -> None:
        self._redis = redis.Redis.from_url(
            url,
            socket_timeout=TIMEOUT_SECONDS,
            socket_connect_timeout=TIMEOUT_SECONDS,
            # A connection that the server closed meanwhile is opened again once. An event that is
            # appended twice by that costs nothing: the ledger keeps the first.
            retry=Retry(ConstantBackoff(0.1), 1),
        )

    def append(self, headers: Mapping[str, str], body: bytes) -> str:
        """Add an event; once this returns, the server has it on disk. Gives the entry's id.

        Raises:
            redis.RedisError: it is not in the buffer, as far as is known.
        """
        entry_id = self._redis.xadd(
            STREAM,
            {
                "headers": orjson.dumps({name.lower(): text for name, text in headers.items()}),
                "body": zlib.compress(body, COMPRESSION_LEVEL),
            },
        )
        return cast(bytes, entry_id).decode()

    def pending(self, count: int) -> list[Event]:
        """Events that a drain took and did not forget, oldest first.

        Raises:
            redis.RedisError: the server does not answer.
        """
        return self._read("0", count)

    def new(self, count: int) -> list[Event]:
        """Events that no drain has taken yet, oldest first; from now on they are pending.

        Raises:
            redis.RedisError: the server does not answer.
        """
        return self._read(">", count)

    def forget(self, entry_ids: Sequence[str]) -> None:
        """Acknowledge and delete events, all or none.

        Raises:
            redis.RedisError: they may still be pending.
        """
        if not entry_ids:
            return
        with self._redis.pipeline(transaction=True) as transaction:
            transaction.xack(STREAM, GROUP, *entry_ids)
            transaction.xdel(STREAM, *entry_ids)
            transaction.execute()

    def freshness(self) -> Freshness:
        """What waits: events that no drain has forgotten.

        Raises:
            redis.RedisError: the server does not answer.
        """
        with self._redis.pipeline(transaction=True) as transaction:
            transaction.xlen(STREAM)
            transaction.xrange(STREAM, count=1)
            count, oldest = transaction.execute()
        return Freshness(count, _moment(oldest[0][0]) if oldest else None)

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()

    def _read(self, after: str, count: int) -> list[Event]:
        try:
            answer = self._redis.xreadgroup(GROUP, CONSUMER, {STREAM: after}, count=count)
        except redis.ResponseError as error:
            if not str(error).startswith("NOGROUP"):
                raise
            self._make_group()
            answer = self._redis.xreadgroup(GROUP, CONSUMER, {STREAM: after}, count=count)
        entries = [entry for _, of_stream in cast(_Answer, answer or []) for entry in of_stream]
        # An entry that was deleted while it was pending has no fields: nothing is left of it, and
        # it must not stand before others for ever.
        if vanished := [entry_id for entry_id, fields in entries if not fields]:
            self._redis.xack(STREAM, GROUP, *vanished)
            if len(vanished) == len(entries):
                return self._read(after, count)
        return [_event(entry_id, fields) for entry_id, fields in entries if fields]

    def _make_group(self) -> None:
        try:
            self._redis.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
        except redis.ResponseError as error:
            # Another one was quicker.
            if not str(error).startswith("BUSYGROUP"):
                raise


def _event(entry_id: bytes, fields: dict[bytes, bytes]) -> Event:
    return Event(
        entry_id.decode(),
        _moment(entry_id),
        _headers(fields.get(b"headers", b"")),
        fields.get(b"body", b""),
    )


def _headers(text: bytes) -> dict[str, str]:
    # What the receiver did not write must not block the rest: it becomes a dead letter.
    try:
        headers = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return headers if isinstance(headers, dict) else {}


def _moment(entry_id: bytes) -> datetime:
    """When the server took an entry: its id begins with the milliseconds."""
    return datetime.fromtimestamp(int(entry_id.partition(b"-")[0]) / 1000, UTC)
