"""Every way to fail answers in one shape, and tells nothing of the inside."""

import logging
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from psycopg import Connection

from actionsight.settings import Settings
from api import database
from api.app import create_app
from api.stats import views as stats_views
from tests.api.client import ValidatingClient, bearer
from tests.api.marts import Marts

pytestmark = pytest.mark.integration


def assert_problem(response: Any, status: int, *words: str) -> None:
    assert response.status_code == status
    assert response.mimetype == "application/problem+json"
    assert response.json["status"] == status
    assert response.json["type"].startswith("/problems/")
    assert response.headers["Cache-Control"] == "private, no-store"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    for word in words:
        assert word in response.text


def test_an_unknown_route_is_a_problem(client: ValidatingClient) -> None:
    assert_problem(client.get("/nothing"), 404, "/openapi.json")


def test_a_method_that_a_route_does_not_know_is_a_problem_that_names_those_it_knows(
    client: ValidatingClient,
) -> None:
    response = client.post("/stats")
    assert_problem(response, 405)
    assert "GET" in response.headers["Allow"]


@pytest.mark.parametrize(
    ("query", "parameter", "detail"),
    [
        ("form=2026-01-01", "form", "known here: from, to, period, repository"),
        ("from=yesterday", "from", "must be a day"),
        ("from=2026-02-30", "from", "must be a day"),
        ("from=2026-01-01T00:00:00", "from", "with its zone"),
        ("from=2026-01-01T00:00:00+01:00", "from", "%2B"),
        ("from=0001-01-01T00:00:00%2B14:00", "from", "must be a day"),
        ("to=", "to", "must be a day"),
        ("from=2026-01-01&from=2026-01-02", "from", "once"),
        ("from=2026-01-02&to=2026-01-01", "from", "before `to`"),
        ("from=2026-01-02T00:00:00Z&to=2026-01-01", "from", "before `to`"),
        ("workflow=build", "workflow", "must be an id"),
        ("workflow=0", "workflow", "must be an id"),
        ("workflow=9223372036854775808", "workflow", "must be an id"),
        ("workflow=%D9%A1", "workflow", "must be an id"),
        ("workflow=1,,2", "workflow", "must be an id"),
        ("workflow=01", "workflow", "must be an id"),
        ("workflow=" + "0" * 5000 + "1", "workflow", "must be an id"),
        ("repository=", "repository", "control"),
        ("branch=%00", "branch", "control"),
        (f"branch={'b' * 256}", "branch", "255"),
        ("group_by=hour", "group_by", "must be one of day"),
        ("limit=0", "limit", "from 1 to 500"),
        ("limit=501", "limit", "from 1 to 500"),
        ("limit=ten", "limit", "from 1 to 500"),
        ("limit=-1", "limit", "from 1 to 500"),
        ("group_by=day&next=abc", "next", "earlier answer"),
        ("next=", "next", "earlier answer"),
    ],
)
def test_an_unusable_parameter_is_named_with_what_would_do(
    marts: Marts, client: ValidatingClient, token: str, query: str, parameter: str, detail: str
) -> None:
    response = client.get(f"/stats?{query}", headers=bearer(token))
    assert_problem(response, 400)
    (error,) = response.get_json()["errors"]
    assert error["parameter"] == parameter
    assert detail in error["detail"]


def test_a_name_may_have_any_character_but_control_characters(
    client: ValidatingClient, marts: Marts, token: str
) -> None:
    # An emoji of several, joined by what is not printable; a space that does not break.
    for name in ("build \U0001f468\u200d\U0001f4bb", "a\u00a0b", "\U00040bf4"):
        for parameter in ("job_name", "branch", "runner"):
            query = {parameter: name, "fields": "run_count"}
            response = client.get("/stats", query_string=query, headers=bearer(token))
            assert response.status_code == 200, response.text
            assert response.get_json()["filter"][parameter] == [name]
    for path in ("/stats?job_name=a%00b", "/runners/hours?labels=a,b%00", "/search?q=ab%7f"):
        assert_problem(client.get(path, headers=bearer(token)), 400)


def test_all_that_is_wrong_with_a_query_is_named_at_once(
    client: ValidatingClient, marts: Marts, token: str
) -> None:
    response = client.get("/workflows?limit=0&repo=x&next=", headers=bearer(token))
    assert_problem(response, 400)
    named = {error["parameter"] for error in response.get_json()["errors"]}
    assert named == {"limit", "repo", "next"}


def test_an_answer_to_a_wrong_query_is_not_much_larger_than_the_query(
    client: ValidatingClient, marts: Marts, token: str
) -> None:
    names = [f"unknown_{number}" for number in range(500)]
    response = client.get("/healthz?" + "&".join(names))
    assert_problem(response, 400)
    errors = response.get_json()["errors"]
    assert [error["parameter"] for error in errors] == names[:20]
    for path in (f"/healthz?{'n' * 5000}=1", f"/stats?repository={'r' * 200}"):
        response = client.get(path, headers=bearer(token))
        assert response.status_code in (400, 404)
        assert "n" * 80 not in response.text and "r" * 80 not in response.text


@pytest.mark.parametrize("number", ["0", "9223372036854775808", "99999999999999999999"])
def test_an_id_that_cannot_be_is_nowhere_whatever_the_method(
    client: ValidatingClient, token: str, number: str
) -> None:
    for path in (f"/repositories/{number}", f"/repositories/{number}/data"):
        for method in ("GET", "DELETE", "POST"):
            response = client.open(path, method=method, headers=bearer(token))
            assert_problem(response, 404)


@pytest.mark.parametrize("workflow_id", ["0", "build", "9223372036854775808", "99"])
def test_a_workflow_that_cannot_be_is_not_found(
    marts: Marts, client: ValidatingClient, token: str, workflow_id: str
) -> None:
    assert_problem(client.get(f"/workflows/{workflow_id}", headers=bearer(token)), 404)


def test_a_fault_tells_its_name_and_leaves_the_rest_in_the_log(
    app: Flask,
    marts: Marts,
    client: ValidatingClient,
    token: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("the inside")

    monkeypatch.setattr(stats_views, "read_statistics", fail)
    with caplog.at_level(logging.ERROR):
        response = client.get("/stats", headers=bearer(token))
    assert_problem(response, 500)
    assert "inside" not in response.text
    instance = response.get_json()["instance"]
    assert instance in caplog.text
    assert "RuntimeError: the inside" in caplog.text


@pytest.mark.parametrize("path", ["/stats", "/readyz"])
def test_a_database_that_is_away_is_a_503_that_keeps_its_address(
    settings: Settings, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "POOL_TIMEOUT_SECONDS", 0.2)
    url = "postgresql://someone:hunter2@127.0.0.1:1/nothing"
    app = create_app(replace(settings, database_url=url))
    app.test_client_class = ValidatingClient
    response = app.test_client().get(path, headers=bearer("as_any"))
    assert_problem(response, 503, "does not answer")
    assert response.headers["Retry-After"] == "5"
    assert "hunter2" not in response.text and "127.0.0.1" not in response.text
    app.extensions["database"].close()


def test_an_api_without_its_database_still_lives(settings: Settings) -> None:
    app = create_app(replace(settings, database_url="postgresql://a:b@127.0.0.1:1/nothing"))
    assert app.test_client().get("/healthz").json == {"status": "ok"}


def test_an_api_without_a_database_address_does_not_start(settings: Settings) -> None:
    with pytest.raises(ValueError, match="ACTIONSIGHT_DATABASE_URL"):
        create_app(replace(settings, database_url=None))


def test_a_query_that_takes_too_long_is_a_503_that_says_what_to_ask_for_instead(
    app: Flask,
    marts: Marts,
    client: ValidatingClient,
    connection: Connection[Any],
    database_url: str,
    token: str,
) -> None:
    app.extensions["database"] = database.Database(
        database_url, database_url, statement_timeout_seconds=0.2
    )
    with connection.transaction():
        connection.execute("lock table marts.workflow_runs in access exclusive mode")
        response = client.get("/stats", headers=bearer(token))
    assert_problem(response, 503, "shorter range")
    assert client.get("/stats", headers=bearer(token)).status_code == 200


def test_marts_that_are_not_built_are_a_503(client: ValidatingClient, token: str) -> None:
    assert_problem(client.get("/stats", headers=bearer(token)), 503, "/readyz")


@pytest.mark.usefixtures("own_database_url")
def test_a_server_that_cut_its_connections_fails_one_answer_at_most(
    marts: Marts, client: ValidatingClient, connection: Connection[Any], token: str
) -> None:
    client.answer("/stats", token)
    connection.execute(
        "select pg_terminate_backend(pid, 5000) from pg_stat_activity "
        "where datname = current_database() and pid <> pg_backend_pid()"
        " and backend_type = 'client backend'"
    )
    statuses = [client.get("/stats", headers=bearer(token)).status_code for _ in range(3)]
    assert statuses[1:] == [200, 200]
