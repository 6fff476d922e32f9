"""The buffer gives every event again until it is told to forget it."""

import os
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import redis

from actionsight.event_buffer import GROUP, READ_TOGETHER, STREAM, EventBuffer

pytestmark = pytest.mark.integration

HEADERS = {"X-GitHub-Event": "ping", "X-GitHub-Delivery": "d-1"}


@pytest.fixture
def buffer(redis_url: str) -> Iterator[EventBuffer]:
    made = EventBuffer(redis_url)
    yield made
    made.close()


def test_an_event_comes_out_as_it_went_in_and_its_body_is_compressed(buffer: EventBuffer) -> None:
    body = b'{"zen": "' + b"Keep it simple. " * 500 + b'"}'
    buffer.append(HEADERS, body)
    [event] = buffer.new(10)
    assert (event.delivery_id, event.name, zlib.decompress(event.body)) == ("d-1", "ping", body)
    assert len(event.body) < len(body) / 10
    assert abs(datetime.now(UTC) - event.received_at) < timedelta(minutes=1)


def test_what_was_taken_and_not_forgotten_is_given_again(buffer: EventBuffer) -> None:
    for number in range(3):
        buffer.append(HEADERS, str(number).encode())
    taken = buffer.new(2)
    assert buffer.claims(10) == dict.fromkeys([event.entry_id for event in taken], 1)
    assert buffer.claim([event.entry_id for event in taken]) == taken
    assert buffer.claims(10) == dict.fromkeys([event.entry_id for event in taken], 2)
    assert [zlib.decompress(event.body) for event in buffer.new(10)] == [b"2"]

    buffer.acknowledge([taken[0].entry_id])
    assert list(buffer.claims(10).values()) == [2, 1]
    buffer.give_back([taken[1].entry_id], 0)
    assert buffer.claims(10)[taken[1].entry_id] == 0
    left = buffer.claim([*buffer.claims(10)])
    assert [zlib.decompress(event.body) for event in left] == [b"1", b"2"]
    assert buffer.freshness().event_count == 2


def test_freshness_tells_how_long_the_oldest_event_waits(buffer: EventBuffer) -> None:
    assert buffer.freshness().oldest_received_at is None
    buffer.append(HEADERS, b"first")
    buffer.append(HEADERS, b"second")
    [first, _] = buffer.new(2)
    assert buffer.freshness().oldest_received_at == first.received_at


def test_events_that_came_before_any_drain_are_given_to_the_first(
    buffer: EventBuffer, redis_url: str
) -> None:
    buffer.append(HEADERS, b"early")
    with redis.Redis.from_url(redis_url) as client:
        assert client.xinfo_groups(STREAM) == []
    assert [zlib.decompress(event.body) for event in buffer.new(1)] == [b"early"]


def test_an_entry_that_vanished_while_pending_blocks_nothing(
    buffer: EventBuffer, redis_url: str
) -> None:
    buffer.append(HEADERS, b"gone")
    buffer.append(HEADERS, b"here")
    gone, here = buffer.new(2)
    with redis.Redis.from_url(redis_url) as client:
        client.xdel(STREAM, gone.entry_id)
        assert client.xpending(STREAM, GROUP)["pending"] == 2
    assert buffer.claim([gone.entry_id, here.entry_id]) == [here]
    with redis.Redis.from_url(redis_url) as client:
        assert client.xpending(STREAM, GROUP)["pending"] == 1


def test_what_is_taken_at_once_is_bounded_by_its_bytes(buffer: EventBuffer) -> None:
    bodies = [os.urandom(1_000) for _ in range(50)]
    for body in bodies:
        buffer.append(HEADERS, body)
    taken = buffer.new(50, byte_count=20_000)
    # With the last of them, and not before, they have so many; headers have bytes too.
    assert 18 <= len(taken) <= 20
    again = buffer.claim([event.entry_id for event in taken], byte_count=1)
    assert again == taken[:READ_TOGETHER]
    assert [event for event in buffer.new(1, byte_count=1) if event in taken] == []
    assert len(buffer.new(50)) == 50 - len(taken) - 1


def test_an_entry_that_no_receiver_wrote_can_still_be_named(
    buffer: EventBuffer, redis_url: str
) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.xadd(STREAM, {"anything": b"else"})
    [event] = buffer.new(1)
    assert (event.name, event.delivery_id) == ("unknown", f"entry {event.entry_id}")
