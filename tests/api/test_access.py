"""Who may ask, and that nothing leaks to those who may not."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Blueprint, Flask, Response
from psycopg import Connection

from actionsight.api_tokens import create_token, list_tokens, revoke_token
from api import openapi
from api.auth.access import Access, access_of
from api.endpoints import endpoint
from tests.api.client import ValidatingClient, bearer
from tests.api.marts import Marts

pytestmark = pytest.mark.integration

PUBLIC = {
    "/",
    "/app",
    "/app/<path:view>",
    "/app/assets/<name>",
    "/installation",
    "/docs",
    "/docs/swagger-ui.css",
    "/docs/swagger-ui.js",
    "/healthz",
    "/readyz",
    "/openapi.json",
    "/login",
    "/login/github/authorized",
}
OPTIONAL = {"/metrics"}
SIGNED = {"/webhooks/github"}
SESSION = {"/me", "/logout"}
PROTECTED = [
    "/stats",
    "/workflows",
    "/workflows/11",
    "/branches/health",
    "/branches/health/intervals",
    "/flaky-jobs",
    "/flaky-jobs/occurrences",
    "/costs",
    "/costs/unpriced",
    "/changes",
    "/runners",
    "/runners/hours",
    "/runners/now",
    "/runners/names",
    "/workflows/11/jobs",
    "/workflows/11/runs",
    "/workflows/11/steps",
    "/workflows/11/timeline",
    "/runs",
    "/runs/11",
    "/runs/11/failures",
    "/jobs",
    "/jobs/11",
    "/repositories",
    "/repositories/11",
    "/repositories/11/data",
    "/repositories/11/health",
    "/tokens",
    "/tokens/11",
    "/sessions",
    "/sessions/11",
    "/audit",
    "/definitions",
    "/search",
    "/repositories/available",
    "/repositories/selections",
]
READABLE = [path for path in PROTECTED if "/11" not in path or path.startswith("/workflows")]


def test_every_route_declares_its_access(app: Flask) -> None:
    declared = {
        rule.rule: access_of(app, rule.endpoint.rpartition(".")[0])
        for rule, _ in openapi.routes(app)
    }
    assert None not in declared.values()
    assert {route for route, access in declared.items() if access is Access.PUBLIC} == PUBLIC
    assert {route for route, access in declared.items() if access is Access.SIGNED} == SIGNED
    assert {route for route, access in declared.items() if access is Access.OPTIONAL} == OPTIONAL
    assert {route for route, access in declared.items() if access is Access.SESSION} == SESSION
    others = PUBLIC | OPTIONAL | SIGNED | SESSION
    assert {re.sub("<.*>", "11", route) for route in set(declared) - others} == set(PROTECTED)


def test_a_route_without_a_declaration_is_closed(app: Flask) -> None:
    forgotten = Blueprint("forgotten", __name__)

    @forgotten.get("/forgotten")
    @endpoint("Forgotten.", tag="installation", answer={})
    def get_forgotten() -> Response:
        raise AssertionError("nobody may come here")

    app.register_blueprint(forgotten)
    assert app.test_client().get("/forgotten").status_code == 401


@pytest.mark.parametrize("path", READABLE)
def test_without_a_valid_token_there_is_no_data(
    marts: Marts, client: ValidatingClient, token: str, path: str
) -> None:
    marts.repository(1, "acme/secret")
    marts.workflow(11, 1, "Build")
    for authorization in (
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer as_unknown",
        "Bearer \xff\xfe",
        "Basic dXNlcjpwYXNz",
        "Basic \u00e9",
        f"Token {token}",
        f"Bearer {token}x",
        f"Bearer {token}, Bearer {token}",
        token,
    ):
        headers = {} if authorization is None else {"Authorization": authorization}
        response = client.get(f"{path}?nonsense=1", headers=headers)
        assert response.status_code == 401, authorization
        assert response.headers["WWW-Authenticate"].startswith('Bearer realm="actionsight"')
        for word in ("secret", "nonsense", token):
            assert word not in response.text


def test_a_revoked_token_opens_nothing_from_then_on(
    marts: Marts, client: ValidatingClient, connection: Connection[Any]
) -> None:
    token_id, token = create_token(connection, "laptop")
    assert client.get("/stats", headers=bearer(token)).status_code == 200
    assert revoke_token(connection, token_id) is True
    response = client.get("/stats", headers=bearer(token))
    assert response.status_code == 401
    assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]
    assert revoke_token(connection, token_id) is False


def test_a_token_opens_until_it_expires(
    marts: Marts, client: ValidatingClient, connection: Connection[Any]
) -> None:
    now = datetime.now(UTC)
    _, alive = create_token(connection, "alive", expires_at=now + timedelta(hours=1))
    _, expired = create_token(connection, "expired", expires_at=now - timedelta(seconds=1))
    assert client.get("/stats", headers=bearer(alive)).status_code == 200
    assert client.get("/stats", headers=bearer(expired)).status_code == 401


def test_a_tokens_last_use_is_noted_at_most_once_a_minute(
    marts: Marts, client: ValidatingClient, connection: Connection[Any], token: str
) -> None:
    def last_used_at() -> datetime | None:
        return list_tokens(connection)[0].last_used_at

    assert last_used_at() is None
    client.answer("/stats", token)
    first = last_used_at()
    assert first is not None
    client.answer("/stats", token)
    assert last_used_at() == first
    connection.execute("update app.api_tokens set last_used_at = now() - interval '61 seconds'")
    client.answer("/stats", token)
    assert (last_used_at() or first) > first


def test_a_repository_that_is_no_longer_monitored_is_gone_everywhere(
    marts: Marts, client: ValidatingClient, token: str
) -> None:
    marts.repository(
        1,
        "acme/widgets",
        observed_until="2026-01-02 00:00Z",
        newest_observation_at="2026-01-03 00:00Z",
    )
    marts.repository(
        2,
        "acme/gone",
        observed_until="2026-01-01 00:00Z",
        newest_observation_at="2026-01-04 00:00Z",
    )
    for repository_id, workflow_id in ((1, 11), (2, 21)):
        marts.workflow(workflow_id, repository_id, f"Build {workflow_id}")
        marts.run(workflow_id * 10, workflow_id, "2026-01-01 00:00", duration_seconds=10)
        marts.job(workflow_id, workflow_id * 10, duration_seconds=9)
        marts.statistics_by_day(workflow_id, "2026-01-01", runs=1, jobs=1)
    assert client.answer("/stats", token)["data"]["run_count"] == 2
    marts.remove_repository(2)

    response = client.get("/stats", headers=bearer(token))
    assert response.headers["Actionsight-As-Of"] == "2026-01-02T00:00:00Z"
    assert response.headers["Actionsight-Newest-Observation-At"] == "2026-01-03T00:00:00Z"
    statistics = client.answer("/stats", token)["data"]
    assert (statistics["run_count"], statistics["jobs_listed"]) == (1, 1)
    for group_by in ("repository", "workflow", "day"):
        assert len(client.answer(f"/stats?group_by={group_by}", token)["data"]) == 1
    assert [row["workflow_id"] for row in client.answer("/workflows", token)["data"]] == [11]
    assert [row["repository_id"] for row in client.answer("/repositories", token)["data"]] == [1]
    for gone, never in (
        ("/stats?repository=acme/gone", "/stats?repository=acme/none"),
        ("/stats?repository=2", "/stats?repository=9"),
        ("/stats?workflow=21", "/stats?workflow=99"),
        ("/workflows?repository=2", "/workflows?repository=9"),
        ("/workflows/21", "/workflows/99"),
        ("/repositories?repository=2", "/repositories?repository=9"),
    ):
        one, other = (client.get(path, headers=bearer(token)) for path in (gone, never))
        assert one.status_code == other.status_code == 404
        assert _without_names(one.text) == _without_names(other.text)


def _without_names(body: str) -> str:
    return re.sub(r"acme/\w+|\b(21|99|2|9)\b", "NAME", body)
