"""The cache server may be away, hang, forget, be filled by others, and hold what is not ours."""

import logging
import pickle
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis
from flask import Flask
from psycopg import Connection

from actionsight.local import ValkeyServer, hold
from actionsight.local.valkey import CACHE
from actionsight.settings import Settings
from api import cache_server
from api.cache import backend
from api.cache.flights import flights_of
from api.cache.recent import LARGEST_BYTES, Recent
from api.rate_limits import counters_of
from tests.api.cache.conftest import keys
from tests.api.cache.people import People
from tests.api.cache.test_serializer import Trap
from tests.api.client import app_of
from tests.api.marts import Marts
from tests.support.ports import free_port

pytestmark = pytest.mark.integration


@pytest.fixture
def hanging_url() -> Iterator[str]:
    """A server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield f"redis://:hunter2@127.0.0.1:{listener.getsockname()[1]}/0"


def test_without_its_server_answers_are_computed_counted_and_logged_once(
    history: Marts,
    settings: Settings,
    connection: Connection[Any],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cache_server, "PAUSE_SECONDS", 0)
    away = replace(settings, cache_url=f"redis://:hunter2@127.0.0.1:{free_port()}/0")
    with app_of(away) as app, caplog.at_level(logging.WARNING):
        people = People(app, connection)
        first = people.ask("/stats")
        assert first.status_code == 200
        history.run(101, 10, "2026-01-02 00:00")
        history.add_up_days()
        assert people.read("/stats")["data"]["run_count"] == 4, "computed"
        assert people.ask("/stats", tag=first.headers["ETag"]).status_code == 304
        assert _store(app).outage.failure_count == 6, "two answers, each looked for twice and put"
    told = [record.getMessage() for record in caplog.records if "computed" in record.getMessage()]
    assert len(told) == 1
    assert "hunter2" not in caplog.text


def test_a_server_that_hangs_delays_one_answer_and_no_more(
    history: Marts,
    settings: Settings,
    connection: Connection[Any],
    hanging_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However long an answer takes: after the first one nobody waits for the server."""
    monkeypatch.setattr(cache_server, "PAUSE_SECONDS", float("inf"))
    with app_of(replace(settings, cache_url=hanging_url)) as app:
        people = People(app, connection)
        outages = [user.outage for user in (_store(app), counters_of(app), flights_of(app)) if user]
        assert people.ask("/stats").status_code == 200
        waits = [outage.failure_count for outage in outages]
        assert waits[0] == 1
        assert max(waits) == 1, "each user of it at most once"
        for _ in range(2):
            assert people.ask("/stats").status_code == 200
        assert [outage.failure_count for outage in outages] == waits


def test_a_server_that_comes_back_is_used_again(
    history: Marts,
    settings: Settings,
    connection: Connection[Any],
    services_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cache_server, "PAUSE_SECONDS", 0)
    own = ValkeyServer(services_folder / "away", "cache", CACHE)
    with (
        hold(own) as url,
        app_of(replace(settings, cache_url=url)) as app,
        redis.Redis.from_url(url) as server,
    ):
        people = People(app, connection)
        body = people.ask("/stats").data
        own.stop()
        _store(app).recent = Recent()
        assert people.ask("/stats").data == body
        failures = _store(app).outage.failure_count
        assert failures > 0
        assert own.start() == url
        assert people.ask("/stats").data == body
        assert len(keys(server)) == 1
        assert _store(app).outage.failure_count == failures


def test_what_is_not_ours_in_the_cache_is_not_served_and_not_executed(
    history: Marts, app: Flask, people: People, server: "redis.Redis", tmp_path: Path
) -> None:
    expected = people.ask("/stats").data
    (key,) = keys(server)
    good: Any = server.get(key)
    proof = tmp_path / "executed"
    pickled = pickle.dumps(Trap(proof))
    for poison in (pickled, b"!" + pickled, b"", b'{"data": {}}', good[:-1], good[1:], expected):
        server.set(key, poison)
        _store(app).recent = Recent()
        assert people.ask("/stats").data == expected
        assert server.get(key) == good, "put right again"
    assert not proof.exists()


def test_what_a_process_met_a_moment_ago_it_does_not_ask_for_again(
    history: Marts, people: People, server: "redis.Redis"
) -> None:
    expected = people.ask("/stats").data
    (key,) = keys(server)
    server.delete(key)
    assert people.ask("/stats").data == expected
    assert keys(server) == set()
    history.raise_version(1)
    people.ask("/stats")
    assert len(keys(server)) == 1, "another version has another name"


def test_what_a_process_keeps_is_bounded() -> None:
    recent = Recent()
    recent.keep("too large", bytes(LARGEST_BYTES + 1))
    assert recent.find("too large") is None
    for number in range(20):
        recent.keep(str(number), bytes(LARGEST_BYTES))
        assert recent.find("0") is not None, "it was asked for again"
    kept = [number for number in range(20) if recent.find(str(number))]
    assert kept == [0, *range(5, 20)]


def test_a_key_of_another_kind_is_an_outage_of_that_answer_alone(
    history: Marts,
    app: Flask,
    people: People,
    server: "redis.Redis",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cache_server, "PAUSE_SECONDS", 0)
    expected = people.ask("/stats").data
    (key,) = keys(server)
    server.delete(key)
    server.lpush(key, b"a list")
    _store(app).recent = Recent()
    assert people.ask("/stats").data == expected


def test_the_servers_memory_is_bounded_by_its_own_policy(
    history: Marts, settings: Settings, people: People, server: "redis.Redis"
) -> None:
    """Others, or a year of answers, fill it: it forgets, and goes on to take and to count."""
    configured: Any = server.config_get("maxmemory*")
    assert configured["maxmemory"] == str(128 * 1024 * 1024)
    assert configured["maxmemory-policy"] == "allkeys-lru"
    body = people.ask("/stats").data
    megabyte = bytes(1024 * 1024)
    for number in range(200):
        server.set(f"{backend.PREFIX}{number}", megabyte)
    memory: Any = server.info("memory")
    assert memory["used_memory"] <= memory["maxmemory"]
    statistics: Any = server.info("stats")
    assert statistics["evicted_keys"] > 0
    assert people.ask("/stats").data == body
    assert people.ask("/stats").headers["RateLimit"].startswith('"viewer"')


def _store(app: Flask) -> backend.AnswerCache:
    store = backend.store_of(app)
    assert store is not None
    return store
