"""Limits: who is counted how, what they are told, and what happens while nobody can count."""

import logging
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import redis
from flask import Flask, g, request
from flask.testing import FlaskClient
from psycopg import Connection
from werkzeug.test import TestResponse

from actionsight.api_tokens import create_token, revoke_token
from actionsight.settings import Settings
from api import cache_server, openapi, rate_limits
from api.auth import access
from api.auth.sessions import Session
from api.database import Database
from tests.api.client import ValidatingClient, app_of, bearer, make_client
from tests.api.marts import Marts
from tests.support.ports import free_port

pytestmark = pytest.mark.integration

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LIMIT = re.compile(r'"([a-z-]+)";r=(\d+);t=(\d+)')


@pytest.fixture
def settings(settings: Settings, cache_url: str) -> Settings:
    return replace(settings, cache_url=cache_url)


@pytest.fixture
def server(cache_url: str) -> Iterator["redis.Redis"]:
    with redis.Redis.from_url(cache_url) as client:
        yield client


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> int:
    """Limits that are reached soon: of viewers this, of strangers 3, at sign-in 2."""
    for name, policy, quota in (
        ("AUTHENTICATED", rate_limits.AUTHENTICATED, 5),
        ("ANONYMOUS", rate_limits.ANONYMOUS, 3),
        ("SIGN_IN", rate_limits.SIGN_IN, 2),
    ):
        monkeypatch.setattr(rate_limits, name, replace(policy, quota=quota))
    return 5


def ask(
    client: FlaskClient,
    path: str,
    token: str | None = None,
    address: str = "192.0.2.1",
    **more: Any,
) -> TestResponse:
    return client.open(
        path,
        headers={**(bearer(token) if token else {}), **more.pop("headers", {})},
        environ_overrides={"REMOTE_ADDR": address},
        **more,
    )


def remaining(response: TestResponse) -> int:
    """What the answer says is left, of the caller's quota."""
    match = LIMIT.fullmatch(response.headers["RateLimit"])
    assert match, response.headers["RateLimit"]
    return int(match[2])


def counters(server: "redis.Redis") -> list[str]:
    """The keys under which callers are counted, beside those of addresses."""
    found: Any = server.keys(f"{rate_limits.PREFIX}*/all/*")
    return sorted(key.decode() for key in found)


def test_the_numbers_are_those_of_the_documentation() -> None:
    assert (
        rate_limits.AUTHENTICATED.quota,
        rate_limits.ANONYMOUS.quota,
        rate_limits.SIGN_IN.quota,
    ) == (
        1200,
        300,
        30,
    )
    assert rate_limits.WINDOW_SECONDS == 60


def test_a_token_may_ask_1200_times_a_minute_and_a_stranger_300(
    marts: Marts, app: Flask, token: str, server: "redis.Redis"
) -> None:
    client = FlaskClient(app)
    for asker, quota, answered in ((token, 1200, 404), (None, 300, 401)):
        assert ask(client, "/workflows/1", asker).status_code == answered
        (key,) = counters(server)
        server.incrby(key, quota - 2)  # as if so many more had come
        statuses = [ask(client, "/workflows/1", asker).status_code for _ in range(3)]
        assert statuses == [answered, 429, 429]
        server.delete(key)


def test_over_the_limit_is_a_problem_that_says_how_long_to_wait(
    marts: Marts, client: ValidatingClient, token: str, few: int
) -> None:
    for left in reversed(range(few)):
        response = ask(client, "/stats", token)
        assert response.status_code == 200
        assert response.headers["RateLimit-Policy"] == f'"viewer";q={few};w=60'
        assert remaining(response) == left
        assert "Retry-After" not in response.headers
    refused = ask(client, "/stats", token)
    assert refused.status_code == 429
    assert refused.mimetype == "application/problem+json"
    body: Any = refused.json
    assert (body["status"], body["title"]) == (429, "Too Many Requests")
    assert "Retry-After" in body["detail"]
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert LIMIT.fullmatch(refused.headers["RateLimit"])
    assert remaining(refused) == 0
    assert refused.headers["Cache-Control"] == "private, no-store"
    assert refused.headers["X-Content-Type-Options"] == "nosniff"


def test_after_the_time_that_retry_after_names_the_whole_quota_is_back(
    marts: Marts, client: ValidatingClient, token: str, few: int, server: "redis.Redis"
) -> None:
    for _ in range(few):
        ask(client, "/stats", token)
    refused = ask(client, "/stats", token)
    (key,) = counters(server)
    left: Any = server.pttl(key)
    waits = int(refused.headers["Retry-After"])
    assert waits - 1.5 <= left / 1000 <= waits + 0.5
    server.pexpire(key, 1)
    while server.exists(key):
        pass
    assert remaining(ask(client, "/stats", token)) == few - 1


def test_tokens_people_and_addresses_are_counted_apart(
    marts: Marts, app: Flask, connection: Connection[Any], token: str, few: int
) -> None:
    other = create_token(connection, "other")[1]
    client = make_client(app)
    for _ in range(few + 1):
        ask(client, "/stats", token)
    assert ask(client, "/stats", token, "192.0.2.9").status_code == 429, "wherever it comes from"
    assert ask(client, "/stats", other).status_code == 200
    assert ask(client, "/stats").status_code == 401, "the address is nobody's token"


def test_a_person_is_counted_by_themselves_whatever_the_address(
    marts: Marts, app: Flask, token: str, few: int
) -> None:
    """How a session is found is tested elsewhere: here the token's principal is given one."""
    people = {"192.0.2.1": 7, "192.0.2.2": 7, "192.0.2.3": 8}

    def become_a_person() -> None:
        user_id = people[request.remote_addr or ""]
        session = Session(b"", user_id, "", 0, EPOCH, EPOCH, EPOCH, None)
        g.principal = replace(g.principal, proof=session, user_id=user_id)

    hooks = app.before_request_funcs[None]
    hooks.insert(hooks.index(access.authenticate) + 1, become_a_person)  # before the limits
    client = make_client(app)
    assert remaining(ask(client, "/stats", token, "192.0.2.1")) == few - 1
    assert remaining(ask(client, "/stats", token, "192.0.2.2")) == few - 2
    assert remaining(ask(client, "/stats", token, "192.0.2.3")) == few - 1


def test_attempts_with_bad_tokens_count_against_the_address_and_against_nobody_else(
    marts: Marts, client: ValidatingClient, token: str, few: int, server: "redis.Redis"
) -> None:
    for number in range(3):
        response = ask(client, "/stats", f"as_{number}")
        assert response.status_code == 401
        assert response.headers["RateLimit-Policy"] == '"stranger";q=3;w=60'
        assert remaining(response) == 2 - number
    for path in ("/stats", "/nothing", "/openapi.json"):
        refused = ask(client, path, "as_another")
        assert refused.status_code == 429
        assert refused.headers["Cache-Control"] == "private, no-store"
        assert "WWW-Authenticate" not in refused.headers
    assert ask(client, "/stats", token).status_code == 200, "a good token from there still opens"
    assert ask(client, "/stats", "as_bad", "192.0.2.2").status_code == 401


def test_credentials_that_nobody_can_read_count_against_the_address(
    client: ValidatingClient, few: int
) -> None:
    for number, authorization in enumerate(["Basic \u00e9", "Bearer \u00e9", "Basic dXNlcjpwYXNz"]):
        response = ask(client, "/stats", headers={"Authorization": authorization})
        assert response.status_code == 401, authorization
        assert remaining(response) == 2 - number


def test_an_unknown_route_is_limited(client: ValidatingClient, few: int) -> None:
    statuses = [ask(client, f"/nothing/{number}").status_code for number in range(4)]
    assert statuses == [404, 404, 404, 429]


@pytest.fixture
def transactions(app: Flask, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The kind of each transaction that the application begins, as they begin."""
    begun: list[str] = []
    begin = Database._connection

    def note(database: Database, kind: str) -> Any:
        begun.append(kind)
        return begin(database, kind)

    monkeypatch.setattr(Database, "_connection", note)
    return begun


def test_refused_requests_reach_no_view_and_no_database(
    marts: Marts, app: Flask, token: str, few: int, transactions: list[str]
) -> None:
    client = make_client(app)
    assert [ask(client, "/stats", token).status_code for _ in range(few)] == [200] * few
    assert transactions.count("write") >= few, "each finds out who it is"
    assert transactions.count("read") == 1, "the answer is known from then on"
    transactions.clear()
    for path in ("/stats", "/workflows", "/metrics"):
        refused = ask(client, path, token, "192.0.2.9")
        assert (refused.status_code, remaining(refused)) == (429, 0)
        assert refused.headers["RateLimit-Policy"] == f'"viewer";q={few};w=60'
    assert transactions == [], "it is known who it is"
    assert ask(client, "/openapi.json", token).status_code == 200


def test_a_stranger_costs_the_database_nothing(
    marts: Marts, app: Flask, few: int, transactions: list[str]
) -> None:
    client = make_client(app)
    statuses = [ask(client, "/stats").status_code for _ in range(5)]
    assert statuses == [401, 401, 401, 429, 429]
    assert transactions == []


def test_a_token_that_was_revoked_is_counted_against_the_address_again(
    marts: Marts, app: Flask, connection: Connection[Any], few: int
) -> None:
    token_id, token = create_token(connection, "laptop")
    client = make_client(app)
    for left in (4, 3):
        assert remaining(ask(client, "/stats", token)) == left
    revoke_token(connection, token_id)
    for left in (2, 1):
        response = ask(client, "/stats", token)
        assert (response.status_code, remaining(response)) == (401, left)
        assert response.headers["RateLimit-Policy"] == '"stranger";q=3;w=60'


def test_who_is_over_the_limit_is_known_again_once_the_quota_is_back(
    marts: Marts, app: Flask, token: str, few: int, server: "redis.Redis"
) -> None:
    client = make_client(app)
    statuses = [ask(client, "/stats", token).status_code for _ in range(few + 2)]
    assert statuses[-1] == 429
    (key,) = counters(server)
    server.delete(key)
    assert ask(client, "/stats", token).status_code == 200


def test_an_address_that_sends_too_much_is_refused_before_anything_is_looked_up(
    marts: Marts,
    app: Flask,
    token: str,
    few: int,
    transactions: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rate_limits, "ADDRESS", replace(rate_limits.ADDRESS, quota=4))
    client = make_client(app)
    for number in range(4):
        ask(client, "/stats", f"as_{number}")
    assert transactions == ["write"] * 4
    transactions.clear()
    for sent in (token, "as_another", None):
        refused = ask(client, "/stats", sent)
        assert (refused.status_code, remaining(refused)) == (429, 0)
        assert refused.headers["RateLimit-Policy"] == '"address";q=4;w=60'
        assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert transactions == []
    assert ask(client, "/stats", token, "192.0.2.2").status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/healthz"), ("GET", "/readyz"), ("POST", "/webhooks/github"), ("OPTIONS", "/stats")],
)
def test_what_must_always_answer_has_no_limit(
    marts: Marts, app: Flask, few: int, server: "redis.Redis", method: str, path: str
) -> None:
    client = FlaskClient(app)
    for _ in range(10):
        response = ask(client, path, method=method)
        assert response.status_code != 429
        assert "RateLimit" not in response.headers
    assert counters(server) == []


def test_sign_in_is_limited_by_address_each_route_for_itself(app: Flask, few: int) -> None:
    client = FlaskClient(app)

    def statuses(method: str, path: str, address: str = "192.0.2.1") -> list[int]:
        return [ask(client, path, None, address, method=method).status_code for _ in range(3)]

    for method, path in (("POST", "/login"), ("GET", "/login/github/authorized")):
        *answered, refused = statuses(method, path)
        assert refused == 429
        assert 429 not in answered
    assert statuses("POST", "/login", "192.0.2.2")[0] != 429
    response = ask(client, "/login", method="POST")
    assert response.headers["RateLimit-Policy"] == '"sign-in";q=2;w=60'
    assert ask(client, "/openapi.json").status_code == 200, "a stranger's own quota is untouched"


def test_a_client_cannot_choose_its_address(app: Flask, few: int) -> None:
    client = FlaskClient(app)
    statuses = [
        ask(client, "/nothing", headers={"X-Forwarded-For": f"198.51.100.{n}"}).status_code
        for n in range(4)
    ]
    assert statuses == [404, 404, 404, 429]


def test_behind_a_proxy_the_address_is_what_the_proxy_saw(settings: Settings, few: int) -> None:
    with app_of(replace(settings, proxy_count=1)) as app:
        client = FlaskClient(app)

        def status(forwarded: str) -> int:
            return ask(client, "/nothing", headers={"X-Forwarded-For": forwarded}).status_code

        assert [status("198.51.100.1") for _ in range(4)] == [404, 404, 404, 429]
        assert status("198.51.100.2") == 404
        assert status("203.0.113.5, 198.51.100.1") == 429, (
            "what a client adds to the left is its own"
        )


@pytest.mark.parametrize(
    ("addresses", "is_one"),
    [
        (("2001:db8:1:2::1", "2001:db8:1:2:ffff::9"), True),
        (("2001:db8:1:2::1", "2001:db8:1:3::1"), False),
        (("192.0.2.1", "::ffff:192.0.2.1"), True),
        (("192.0.2.1", "192.0.2.2"), False),
        (("unknown", "whatever a proxy writes"), True),
    ],
)
def test_an_address_is_one_callers_network(
    app: Flask, few: int, server: "redis.Redis", addresses: tuple[str, str], is_one: bool
) -> None:
    for address in addresses:
        ask(FlaskClient(app), "/nothing", address=address)
    assert len(counters(server)) == (1 if is_one else 2)


def test_nothing_that_a_client_sends_becomes_a_key(
    marts: Marts, app: Flask, server: "redis.Redis"
) -> None:
    """Long and many tokens, paths, hosts and headers: one short counter for the address."""
    client = FlaskClient(app)
    for number in range(20):
        ask(client, f"/nothing/{number}" * 100, "as_" + str(number) * 4000)
        ask(client, f"/stats?branch={number}", "as_" + str(number))
        ask(client, "/workflows/" + "9" * 500, headers={"Cookie": f"session={number * 999}"})
    (key,) = counters(server)
    assert len(key) < 120
    value: Any = server.get(key)
    assert value == b"60"
    assert 0 < int(str(server.ttl(key))) <= 60


def test_what_the_document_says_of_limits_is_about_the_routes_that_have_one(app: Flask) -> None:
    document = openapi.build(app)
    exempt = {
        openapi.path_of(rule)
        for rule, _ in openapi.routes(app)
        if not rate_limits.is_limited(rule.rule)
    }
    for path, methods in document["paths"].items():
        for operation in methods.values():
            declared = operation["responses"].get("429")
            assert (declared is not None) is (path not in exempt), path
            if declared:
                assert set(declared["headers"]) >= {"RateLimit", "RateLimit-Policy", "Retry-After"}


def test_while_the_server_is_away_requests_pass_and_are_counted_and_logged_once(
    marts: Marts,
    settings: Settings,
    token: str,
    few: int,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cache_server, "PAUSE_SECONDS", 0)
    away = replace(settings, cache_url=f"redis://:hunter2@127.0.0.1:{free_port()}/0")
    with app_of(away) as app, caplog.at_level(logging.WARNING):
        client = make_client(app)
        for asker, status in ((token, 404), (None, 401)):
            for _ in range(10):
                response = ask(client, "/workflows/1", asker)
                assert response.status_code == status
                assert "RateLimit" not in response.headers
                assert "Retry-After" not in response.headers
        counted = rate_limits.counters_of(app)
        assert counted is not None
        assert counted.outage.failure_count >= 20
    told = [record.getMessage() for record in caplog.records if "limit" in record.getMessage()]
    assert len(told) == 1
    assert "hunter2" not in caplog.text


def test_a_server_that_comes_back_counts_again(
    marts: Marts, app: Flask, token: str, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = make_client(app)
    counted = rate_limits.counters_of(app)
    assert counted is not None
    counted.outage.note(redis.ConnectionError("gone"))
    assert "RateLimit" not in ask(client, "/stats", token).headers, "it is left alone for a moment"
    monkeypatch.setattr(cache_server, "PAUSE_SECONDS", 0)
    counted.outage.note(redis.ConnectionError("gone, and back"))
    assert remaining(ask(client, "/stats", token)) == few - 1


def test_without_a_cache_server_nobody_is_limited_and_the_log_says_so(
    marts: Marts,
    settings: Settings,
    token: str,
    few: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING), app_of(replace(settings, cache_url=None)) as app:
        client = make_client(app)
        for _ in range(few + 2):
            assert ask(client, "/stats", token).status_code == 200
    assert "ACTIONSIGHT_CACHE_URL" in caplog.text
