"""The buffer between receiver and drain: one Redis stream, from which nothing goes unless told.

An event is acknowledged by the drain once it is committed, and deleted in the same step. Whatever
happens in between, it is delivered again: the ledger in PostgreSQL decides what was seen before.
Redis counts how often each was taken, by which a drain knows what it cannot get past.
"""

import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any, NamedTuple, cast

import orjson
import redis
from redis.typing import StreamIdT

from actionsight.redis_client import connect, has_sentinels

STREAM = "actionsight:events"
GROUP = "drain"
# One name for all: one drain works at a time, and takes up what the one before it left.
CONSUMER = "drain"
# As fast as the strongest level, or faster, and a quarter of the body's size.
COMPRESSION_LEVEL = 1
# Twice this, with the second try, is well within the ten seconds that GitHub waits.
TIMEOUT_SECONDS = 2
# Of it so much is for a replica to say that it has the event.
REPLICA_SECONDS = 1.0
# A drain has more time, and a disk that is slow for some seconds must not look like its death.
DRAIN_TIMEOUT_SECONDS = 10
# Between it and all of the memory lies what comes in until the next reading.
FULL_SHARE = 0.9
READING_SECONDS = 1.0
# So many are read at once where their sizes are not asked for: one can have 25 MB.
READ_TOGETHER = 16
# What is taken at once, compressed: usual events have some KB.
BATCH_BYTES = 16_000_000

# Take what nobody has taken yet, until it is so many events or so many bytes: one by one, since
# nobody knows how large the next one is, and in one step, since each step is flushed to disk.
_TAKE = """
local taken, size = {}, 0
while #taken < tonumber(ARGV[3]) and size < tonumber(ARGV[4]) do
    local read = redis.call(
        'xreadgroup', 'group', ARGV[1], ARGV[2], 'count', 1, 'streams', KEYS[1], '>')
    if not read then break end
    local entry = read[1][2][1]
    taken[#taken + 1] = entry
    for _, text in ipairs(entry[2]) do size = size + #text end
end
return taken
"""

_Entry = tuple[bytes | None, dict[bytes, bytes] | None]


class BufferFullError(redis.RedisError):
    """The server has no memory left for another event; nothing was appended."""


class NotReplicatedError(redis.RedisError):
    """No replica has the event within its time, although one follows: it may be lost with the
    primary."""


class BufferNotEmptyError(Exception):
    """Events wait in a buffer that should have none."""


class Entry(NamedTuple):
    """An event as the server has it: its id, which tells when it came, and its two fields."""

    entry_id: str
    headers: bytes
    body: bytes


@dataclass(frozen=True)
class Event:
    """A delivery as it was buffered; header names are in lower case, `body` is compressed."""

    entry_id: str
    received_at: datetime
    headers: dict[str, Any]  # they are not signed: any JSON
    body: bytes

    @property
    def delivery_id(self) -> str:
        """GitHub's GUID, the same for a redelivery; by it the ledger knows a delivery."""
        return str(self.headers.get("x-github-delivery") or f"entry {self.entry_id}")

    @property
    def name(self) -> str:
        """The kind of event, such as `workflow_run`."""
        return str(self.headers.get("x-github-event") or "unknown")


@dataclass(frozen=True)
class Freshness:
    """How much waits to be drained, and since when (UTC; None: nothing does)."""

    event_count: int
    oldest_received_at: datetime | None


@dataclass(frozen=True)
class Memory:
    """What the server uses, and what it may (None: as much as there is)."""

    used_bytes: int
    limit_bytes: int | None

    @property
    def is_full(self) -> bool:
        """Whether no more events are to be appended."""
        return self.limit_bytes is not None and self.used_bytes >= FULL_SHARE * self.limit_bytes


class EventBuffer:
    """The stream at `url`; safe to share between threads and to make before a fork."""

    def __init__(self, url: str, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        # An event that is appended twice by a second try costs nothing: the ledger keeps the first.
        self._redis = connect(url, timeout_seconds=timeout_seconds, pause_seconds=0.1)
        self._has_sentinels = has_sentinels(url)
        self._is_followed = True  # by a replica, as far as is known
        self._take = self._redis.register_script(_TAKE)
        self._memory: Memory | None = None
        self._read_at = float("-inf")

    def append(self, headers: Mapping[str, str], body: bytes) -> str:
        """Add an event; once this returns, the server has it on disk, and where Sentinels may put a
        replica in its place, a replica has it, too. Gives the entry's id.

        Raises:
            BufferFullError: the server's memory is as good as used up.
            redis.RedisError: it is not in the buffer, as far as is known, or would not outlive the
                server.
        """
        if self.is_full():
            raise BufferFullError("the event buffer is full")
        fields: dict[Any, Any] = {
            "headers": orjson.dumps({name.lower(): text for name, text in headers.items()}),
            "body": zlib.compress(body, COMPRESSION_LEVEL),
        }
        try:
            if self._has_sentinels:
                entry_id = self._append_replicated(fields)
            else:
                entry_id = cast(bytes, self._redis.xadd(STREAM, fields))
        except redis.OutOfMemoryError as error:
            raise BufferFullError("the event buffer is full") from error
        return entry_id.decode()

    def _append_replicated(self, fields: dict[Any, Any]) -> bytes:
        """In one go by one connection: WAIT tells of what came by its own. A primary that is alone
        would let it wait in vain, and is as safe as a server without Sentinels: nothing can take
        its place before it is back with its disk.
        """
        for waits in (True,) if self._is_followed else (False, True):
            with self._redis.pipeline(transaction=False) as pipeline:
                pipeline.xadd(STREAM, fields)
                if waits:
                    pipeline.execute_command("WAIT", 1, int(REPLICA_SECONDS * 1000))
                pipeline.info("replication")
                entry_id, *replicas, info = pipeline.execute()
            self._is_followed = info["connected_slaves"] > 0
            if not self._is_followed or (waits and replicas[0] > 0):
                return cast(bytes, entry_id)
        raise NotReplicatedError(f"no replica has the event after {REPLICA_SECONDS} s")

    def memory(self) -> Memory:
        """How full the server is.

        Raises:
            redis.RedisError: the server does not answer, or does not tell.
        """
        info = self._redis.info("memory")
        return Memory(int(info["used_memory"]), int(info.get("maxmemory", 0)) or None)

    def is_full(self) -> bool:
        """Whether it takes no more, by a reading that is a second old at most: few events wait for
        one.

        Raises:
            redis.RedisError: the server does not answer.
        """
        now = time.monotonic()
        if now >= self._read_at + READING_SECONDS:
            # First, so that other threads go on with the reading that they have.
            self._read_at = now
            try:
                self._memory = self.memory()
            except redis.ResponseError:
                # A server that does not tell is one without a bound that we know.
                self._memory = None
        return self._memory is not None and self._memory.is_full

    def claims(self, count: int) -> dict[str, int]:
        """How often each event was taken that a drain did not acknowledge, oldest first.

        Raises:
            redis.RedisError: the server does not answer.
        """
        pending: list[dict[str, Any]] = self._ask_group(
            lambda: self._redis.xpending_range(STREAM, GROUP, "-", "+", count)
        )
        return {each["message_id"].decode(): int(each["times_delivered"]) for each in pending}

    def claim(self, entry_ids: Sequence[str], byte_count: int = BATCH_BYTES) -> list[Event]:
        """Take events again that a drain took before, in the given order, until they have so many
        bytes; each is taken once more then.

        Raises:
            redis.RedisError: the server does not answer.
        """

        def read() -> Iterator[list[_Entry]]:
            for start in range(0, len(entry_ids), READ_TOGETHER):
                ids: list[StreamIdT] = list(entry_ids[start : start + READ_TOGETHER])
                entries = cast(list[_Entry], self._redis.xclaim(STREAM, GROUP, CONSUMER, 0, ids))
                # One that was deleted meanwhile is not given; it must not stand before others.
                if vanished := set(ids) - {i.decode() for i, fields in entries if i and fields}:
                    self._redis.xack(STREAM, GROUP, *vanished)
                yield entries

        return _events(read(), byte_count)

    def give_back(self, entry_ids: Sequence[str], claims: int) -> None:
        """Let events count as taken so often: those who took them last did not die of them.

        Raises:
            redis.RedisError: the server does not answer.
        """
        if entry_ids:
            ids: list[StreamIdT] = list(entry_ids)
            self._redis.xclaim(STREAM, GROUP, CONSUMER, 0, ids, retrycount=claims, justid=True)

    def new(self, count: int, byte_count: int = BATCH_BYTES) -> list[Event]:
        """Events that no drain has taken yet, oldest first, until there are so many, or they have
        so many bytes; from now on they are taken.

        Raises:
            redis.RedisError: the server does not answer.
        """

        arguments = [GROUP, CONSUMER, count, byte_count]
        taken: list[tuple[bytes, list[bytes]]] = self._ask_group(
            lambda: self._take(keys=[STREAM], args=arguments)
        )
        return [
            _event(entry_id, dict(zip(fields[::2], fields[1::2], strict=True)))
            for entry_id, fields in taken
        ]

    def acknowledge(self, entry_ids: Sequence[str]) -> None:
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

    def entries(self) -> Iterator[Entry]:
        """What waits now, taken by a drain or not, oldest first; nothing is taken by it.

        What a drain acknowledges meanwhile may be missing, and what comes meanwhile may be there.

        Raises:
            redis.RedisError: the server does not answer.
        """
        start = "-"
        while True:
            found = cast(
                list[tuple[bytes, dict[bytes, bytes]]],
                self._redis.xrange(STREAM, start, count=READ_TOGETHER),
            )
            for entry_id, fields in found:
                start = f"({entry_id.decode()}"
                headers, body = fields.get(b"headers", b""), fields.get(b"body", b"")
                yield Entry(entry_id.decode(), headers, body)
            if len(found) < READ_TOGETHER:
                return

    def refill(self, entries: Iterable[Entry]) -> int:
        """Put what `entries` gave into an empty buffer, under the same ids; gives how many.

        Raises:
            BufferNotEmptyError: it is not empty.
            redis.RedisError: the server does not answer, or has no memory left.
        """
        with self._redis.pipeline() as transaction:
            transaction.watch(STREAM)
            if transaction.xlen(STREAM):
                raise BufferNotEmptyError("events wait in the event buffer")
            # With the newest id that it had: those of entries may be older.
            transaction.multi()
            transaction.delete(STREAM)
            transaction.execute()
        count = 0
        # Those that are sent together share one flush to disk.
        left = iter(entries)
        while together := list(islice(left, READ_TOGETHER)):
            with self._redis.pipeline(transaction=False) as pipeline:
                for entry_id, headers, body in together:
                    pipeline.xadd(STREAM, {"headers": headers, "body": body}, id=entry_id)
                pipeline.execute()
            count += len(together)
        return count

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()

    def _ask_group(self, ask: Callable[[], Any]) -> Any:
        """The answer to a question about the group, which is made where it is missing."""
        try:
            return ask()
        except redis.ResponseError as error:
            if not str(error).startswith("NOGROUP"):
                raise
            self._make_group()
            return ask()

    def _make_group(self) -> None:
        try:
            self._redis.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
        except redis.ResponseError as error:
            # Another one was quicker.
            if not str(error).startswith("BUSYGROUP"):
                raise


def _events(chunks: Iterable[Sequence[_Entry]], byte_count: int) -> list[Event]:
    """The events of as many chunks as it takes to have so many bytes."""
    events: list[Event] = []
    size = 0
    for entries in chunks:
        for entry_id, fields in entries:
            if entry_id and fields:
                events.append(_event(entry_id, fields))
                size += len(events[-1].body)
        if size >= byte_count:
            break
    return events


def _event(entry_id: bytes, fields: dict[bytes, bytes]) -> Event:
    return Event(
        entry_id.decode(),
        _moment(entry_id),
        _headers(fields.get(b"headers", b"")),
        fields.get(b"body", b""),
    )


def _headers(text: bytes) -> dict[str, Any]:
    # What the receiver did not write must not block the rest: it becomes a dead letter.
    try:
        headers = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return headers if isinstance(headers, dict) else {}


def _moment(entry_id: bytes) -> datetime:
    """When the server took an entry: its id begins with the milliseconds."""
    return datetime.fromtimestamp(int(entry_id.partition(b"-")[0]) / 1000, UTC)
