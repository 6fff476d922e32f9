"""GET /healthz and /readyz."""

from dataclasses import replace
from typing import Any

import pytest
from psycopg import Connection

from actionsight.settings import Settings
from api.app import create_app
from tests.api.client import ValidatingClient
from tests.api.marts import Marts

pytestmark = pytest.mark.integration


def test_a_living_process_says_so_without_a_database(client: ValidatingClient) -> None:
    assert client.get("/healthz").json == {"status": "ok"}


def test_ready_when_all_is_there(marts: Marts, client: ValidatingClient) -> None:
    response = client.get("/readyz")
    assert (response.status_code, response.json) == (200, {"status": "ready"})


def test_not_ready_before_the_first_build(client: ValidatingClient) -> None:
    response = client.get("/readyz")
    assert response.status_code == 503
    body: Any = response.json
    assert {"name": "marts.jobs", "remedy": "Run `actionsight sync`, or `dbt build`."} in body[
        "missing"
    ]
    assert not any(item["name"].startswith("app.") for item in body["missing"])
    assert "Retry-After" in response.headers


def test_not_ready_without_one_of_the_marts(
    marts: Marts, client: ValidatingClient, connection: Connection[Any]
) -> None:
    connection.execute("drop table marts.jobs")
    body: Any = client.get("/readyz").json
    assert [item["name"] for item in body["missing"]] == ["marts.jobs"]


def test_not_ready_before_the_migration(settings: Settings, empty_database_url: str) -> None:
    app = create_app(replace(settings, database_url=empty_database_url))
    app.test_client_class = ValidatingClient
    body: Any = app.test_client().get("/readyz").json
    assert {item["remedy"] for item in body["missing"] if item["name"].startswith("app.")} == {
        "Run `actionsight migrate`."
    }
    app.extensions["database"].close()
