"""Expensive questions: equal ones are computed once, and not too many at once."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
import redis
from flask import Flask
from psycopg import Connection
from werkzeug.test import TestResponse

from actionsight.api_tokens import create_token
from actionsight.local import free_port
from actionsight.settings import Settings
from api.cache import flights
from api.stats import views
from api.stats.queries import read_statistics
from tests.api.client import app_of, bearer, make_client
from tests.api.marts import Marts
from tests.support.questions import recorded

pytestmark = pytest.mark.integration

PATIENCE_SECONDS = 30


class Computing:
    """Holds every computation of /stats until it is let go, and counts them."""

    def __init__(self) -> None:
        self.count = 0
        self.let_go = threading.Event()
        self._compute = read_statistics
        self._lock = threading.Lock()

    def __call__(self, *arguments: Any) -> Any:
        with self._lock:
            self.count += 1
        assert self.let_go.wait(PATIENCE_SECONDS)
        return self._compute(*arguments)


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(20) as threads:
        yield threads


@pytest.fixture
def computing(monkeypatch: pytest.MonkeyPatch, threads: ThreadPoolExecutor) -> Iterator[Computing]:
    """What the threads ask for is let go before their end is waited for, also of a failed test."""
    computing = Computing()
    monkeypatch.setattr(views, "read_statistics", computing)
    yield computing
    computing.let_go.set()


@pytest.fixture
def settings(settings: Settings, cache_url: str) -> Settings:
    return replace(settings, cache_url=cache_url)


@pytest.fixture
def tokens(connection: Connection[Any]) -> list[str]:
    return [create_token(connection, f"viewer {number}")[1] for number in range(10)]


@pytest.fixture
def history(marts: Marts) -> Marts:
    for repository_id, name in ((1, "acme/a"), (2, "acme/b")):
        marts.repository(repository_id, name)
        marts.workflow(repository_id * 10, repository_id, "Build")
        marts.run(repository_id, repository_id * 10, "2026-01-01T00:00Z")
    return marts


def ask(app: Flask, path: str, token: str) -> TestResponse:
    return make_client(app).get(path, headers=bearer(token))


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def waiting(app: Flask) -> int:
    """How many requests wait for what another one computes."""
    return flights.MOST_WAITING - flights.flights_of(app)._waiting._free


def assert_too_expensive(response: TestResponse) -> None:
    assert response.status_code == 429
    assert response.mimetype == "application/problem+json"
    body: Any = response.json
    assert body["type"] == "/problems/too-expensive"
    assert int(response.headers["Retry-After"]) >= 1


def test_equal_questions_at_the_same_moment_are_computed_once_in_all_processes(
    history: Marts,
    app: Flask,
    settings: Settings,
    tokens: list[str],
    computing: Computing,
    threads: ThreadPoolExecutor,
) -> None:
    """Another application is another process: they share nothing but the servers."""
    with app_of(settings) as other:
        asked = [
            threads.submit(ask, each, "/stats", token)
            for each, token in zip([app, other] * 3, tokens[:6], strict=True)
        ]
        wait_until(lambda: computing.count == 1 and waiting(app) + waiting(other) == 5)
        pools = [
            pool
            for each in (app, other)
            for (_, kind), pool in each.extensions["database"]._pools.items()
            if kind == "read"
        ]
        stats = [pool.get_stats() for pool in pools]
        assert computing.count == 1
        assert sum(each["pool_size"] - each["pool_available"] for each in stats) <= 1
        computing.let_go.set()
        answers = [each.result() for each in asked]
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.data for answer in answers}) == 1
    assert computing.count == 1


def test_questions_about_other_repositories_or_other_filters_are_other_questions(
    history: Marts,
    app: Flask,
    tokens: list[str],
    computing: Computing,
    threads: ThreadPoolExecutor,
) -> None:
    paths = ("/stats?repository=1", "/stats?repository=2", "/stats?event=push")
    asked = [
        threads.submit(ask, app, path, token) for path, token in zip(paths, tokens[:3], strict=True)
    ]
    wait_until(lambda: computing.count == 3)
    computing.let_go.set()
    first, second, _ = [each.result() for each in asked]
    assert first.get_json()["filter"] == {"repository": [1]}
    assert second.get_json()["filter"] == {"repository": [2]}


def test_a_viewer_has_one_under_way_per_route_and_more_is_refused(
    history: Marts,
    app: Flask,
    tokens: list[str],
    computing: Computing,
    threads: ThreadPoolExecutor,
) -> None:
    token, other = tokens[:2]
    first = threads.submit(ask, app, "/stats", token)
    wait_until(lambda: computing.count == 1)
    assert_too_expensive(ask(app, "/stats?event=push", token))
    assert ask(app, "/flaky-jobs", token).status_code == 200, "another route"
    for cheap in ("/workflows", "/repositories"):
        assert ask(app, cheap, token).status_code == 200
    of_other = threads.submit(ask, app, "/stats?event=push", other)
    wait_until(lambda: computing.count == 2)
    computing.let_go.set()
    assert first.result().status_code == of_other.result().status_code == 200
    assert ask(app, "/stats?event=schedule", token).status_code == 200, "it was given back"


def test_what_is_cached_or_fails_takes_no_place(
    history: Marts,
    app: Flask,
    tokens: list[str],
    computing: Computing,
    threads: ThreadPoolExecutor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    token = tokens[0]
    computing.let_go.set()
    assert ask(app, "/stats?event=push", token).status_code == 200
    computing.let_go.clear()
    under_way = threads.submit(ask, app, "/stats", token)
    wait_until(lambda: computing.count == 2)
    assert ask(app, "/stats?event=push", token).status_code == 200, "it is cached"
    computing.let_go.set()
    assert under_way.result().status_code == 200

    def fail(*_: Any) -> None:
        raise RuntimeError("the inside")

    monkeypatch.setattr(views, "read_statistics", fail)
    statuses = [ask(app, "/stats?event=schedule", token).status_code for _ in range(6)]
    assert statuses == [500] * 6


def test_so_many_are_computed_and_the_rest_answers(
    history: Marts,
    app: Flask,
    tokens: list[str],
    computing: Computing,
    threads: ThreadPoolExecutor,
) -> None:
    under_way: list[Future[TestResponse]] = [
        threads.submit(ask, app, f"/stats?actor={number}", token)
        for number, token in enumerate(tokens[: flights.MOST])
    ]
    wait_until(lambda: computing.count == flights.MOST)
    for token in tokens[flights.MOST :]:
        began = time.monotonic()
        assert_too_expensive(ask(app, "/stats?actor=another", token))
        assert time.monotonic() - began < 5
        assert ask(app, "/workflows", token).status_code == 200
    computing.let_go.set()
    assert [each.result().status_code for each in under_way] == [200] * flights.MOST


def test_who_asks_again_too_soon_is_refused_before_it_is_looked_who_asks(
    history: Marts,
    app: Flask,
    tokens: list[str],
    computing: Computing,
    threads: ThreadPoolExecutor,
) -> None:
    under_way: list[Future[TestResponse]] = [
        threads.submit(ask, app, f"/stats?actor={number}", token)
        for number, token in enumerate(tokens[: flights.MOST])
    ]
    wait_until(lambda: computing.count == flights.MOST)
    late, later = tokens[flights.MOST : flights.MOST + 2]
    with recorded() as statements:
        assert_too_expensive(ask(app, "/stats?actor=late", late))
    assert statements, "who asks is found out"
    with recorded() as statements:
        refused = ask(app, "/stats?actor=late", late)
        assert_too_expensive(refused)
    assert not statements
    assert refused.headers["RateLimit"].startswith('"viewer"'), "counted as theirs all the same"
    assert ask(app, "/workflows", late).status_code == 200, "another route"
    with recorded() as statements:
        assert_too_expensive(ask(app, "/stats?actor=late", later))
    assert statements, "another viewer"
    computing.let_go.set()
    assert [each.result().status_code for each in under_way] == [200] * flights.MOST
    assert ask(app, "/stats?actor=late", late).status_code == 200, "there is room again"


def test_who_asks_again_takes_a_place_early_and_gives_it_back_whatever_comes_of_it(
    history: Marts,
    app: Flask,
    tokens: list[str],
    computing: Computing,
    threads: ThreadPoolExecutor,
) -> None:
    computing.let_go.set()
    late = tokens[flights.MOST]
    assert ask(app, "/stats?event=push", late).status_code == 200
    computing.let_go.clear()
    under_way: list[Future[TestResponse]] = [
        threads.submit(ask, app, f"/stats?actor={number}", token)
        for number, token in enumerate(tokens[: flights.MOST])
    ]
    wait_until(lambda: computing.count == flights.MOST + 1)
    assert_too_expensive(ask(app, "/stats?actor=late", late))
    computing.let_go.set()
    assert [each.result().status_code for each in under_way] == [200] * flights.MOST
    known = [ask(app, "/stats?event=push", late).status_code for _ in range(flights.MOST + 1)]
    assert known == [200] * (flights.MOST + 1), "it is cached"
    wrong = [ask(app, "/stats?event=", late).status_code for _ in range(flights.MOST + 1)]
    assert wrong == [400] * (flights.MOST + 1)
    assert ask(app, "/stats?actor=late", late).status_code == 200


def test_of_those_who_wait_for_one_answer_some_are_put_off(
    history: Marts,
    app: Flask,
    tokens: list[str],
    computing: Computing,
    threads: ThreadPoolExecutor,
) -> None:
    asked = [threads.submit(ask, app, "/stats", tokens[0]) for _ in range(flights.MOST_WAITING + 4)]
    wait_until(lambda: sum(each.done() for each in asked) == 3)
    computing.let_go.set()
    answers = [each.result() for each in asked]
    assert sorted(answer.status_code for answer in answers) == [200] * 9 + [429] * 3


def test_a_process_that_died_is_not_waited_for_longer_than_a_flight_lasts(
    history: Marts,
    app: Flask,
    tokens: list[str],
    computing: Computing,
    threads: ThreadPoolExecutor,
    cache_url: str,
) -> None:
    first = threads.submit(ask, app, "/stats", tokens[0])
    wait_until(lambda: computing.count == 1)
    waiting = threads.submit(ask, app, "/stats", tokens[1])
    with redis.Redis.from_url(cache_url) as server:
        keys: Any = server.keys(f"{flights.PREFIX}:*")
        assert len(keys) == 2, "the flight, and the viewer's place"
        for key in keys:
            assert 0 < int(str(server.ttl(key))) <= flights.FLIGHT_SECONDS
            server.delete(key)  # as if that time had passed
    wait_until(lambda: computing.count == 2)
    computing.let_go.set()
    assert first.result().status_code == waiting.result().status_code == 200


def test_while_the_cache_server_is_away_each_process_bounds_itself(
    history: Marts,
    settings: Settings,
    tokens: list[str],
    computing: Computing,
    threads: ThreadPoolExecutor,
) -> None:
    for cache_url in (None, f"redis://127.0.0.1:{free_port()}/0"):
        computing.let_go.clear()
        computing.count = 0
        with app_of(replace(settings, cache_url=cache_url)) as app:
            under_way = [threads.submit(ask, app, "/stats", tokens[0]) for _ in range(flights.MOST)]
            wait_until(lambda: computing.count == flights.MOST)
            assert_too_expensive(ask(app, "/stats", tokens[0]))
            computing.let_go.set()
            assert {each.result().status_code for each in under_way} == {200}
