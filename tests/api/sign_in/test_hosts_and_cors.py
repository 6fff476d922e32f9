"""Host names, proxies and pages of other origins."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask, request
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from actionsight.settings import Settings
from tests.api.client import app_of, client_of
from tests.api.sign_in.browser import ROOT, Browser

pytestmark = pytest.mark.integration

HTTPS = "https://actions.example.com"
FRONTENDS = ("https://app.example.com", "http://localhost:5173")


@pytest.fixture
def app(settings: Settings) -> Iterator[Flask]:
    with app_of(replace(settings, public_url=HTTPS, frontend_origins=FRONTENDS)) as app:
        yield app


@pytest.fixture
def plain(app: Flask) -> FlaskClient:
    """A client without the check against the document, which has no preflights."""
    app.test_client_class = None
    return app.test_client()


def preflight(
    plain: FlaskClient, path: str, origin: str, method: str = "POST", headers: str = ""
) -> TestResponse:
    asked = {"Origin": origin, "Access-Control-Request-Method": method}
    if headers:
        asked["Access-Control-Request-Headers"] = headers
    return plain.options(path, base_url=HTTPS, headers=asked)


def allowed(response: Any) -> dict[str, str]:
    return {name: value for name, value in response.headers if name.startswith("Access-Control-")}


# host names


@pytest.mark.parametrize(
    ("host", "is_known"),
    [
        ("actions.example.com", True),
        ("actions.example.com:443", True),
        ("Actions.Example.com", True),
        ("127.0.0.1:8000", True),
        ("localhost:8000", True),
        ("evil.example", False),
        ("actions.example.com.evil.example", False),
        ("evil.actions.example.com", False),
        ("127.0.0.1.evil.example", False),
        ("127.0.0.1@evil.example", False),
        ("10.0.0.1", False),
    ],
)
def test_the_api_answers_under_its_own_names_alone(
    plain: FlaskClient, host: str, is_known: bool
) -> None:
    """A stranger's name that resolves to this machine would make its pages same-origin."""
    for path in ("/healthz", "/nothing", "/me"):
        response = plain.get(path, headers={"Host": host})
        assert (response.status_code != 400) is is_known
        if not is_known:
            assert response.mimetype == "application/problem+json"
            assert "ACTIONSIGHT_PUBLIC_URL" in response.text and host not in response.text


# proxies


@pytest.mark.parametrize(
    ("proxy_count", "address"),
    [
        (0, "192.0.2.1"),
        (1, "203.0.113.3"),
        (2, "203.0.113.2"),
        (3, "203.0.113.1"),
        (4, "192.0.2.1"),
    ],
)
def test_addresses_are_believed_of_exactly_so_many_proxies(
    settings: Settings, proxy_count: int, address: str
) -> None:
    with app_of(replace(settings, proxy_count=proxy_count)) as app:
        seen = []
        app.before_request(lambda: seen.append(request.remote_addr))
        Browser(app).get(
            "/healthz", headers={"X-Forwarded-For": "203.0.113.1, 203.0.113.2, 203.0.113.3"}
        )
        assert seen == [address]


@pytest.mark.parametrize("proxy_count", [0, 1])
def test_a_forwarded_host_passes_the_same_check(settings: Settings, proxy_count: int) -> None:
    with app_of(replace(settings, proxy_count=proxy_count)) as app:
        app.test_client_class = None
        response = Browser(app).get("/healthz", headers={"X-Forwarded-Host": "evil.example"})
        assert response.status_code == (400 if proxy_count else 200)


# other origins


@pytest.mark.parametrize("origin", FRONTENDS)
@pytest.mark.parametrize("path", ["/stats", "/me", "/healthz", "/nothing"])
def test_a_frontend_reads_answers_and_failures(plain: FlaskClient, origin: str, path: str) -> None:
    response = plain.get(path, base_url=HTTPS, headers={"Origin": origin})
    headers = allowed(response)
    assert headers["Access-Control-Allow-Origin"] == origin
    assert headers["Access-Control-Allow-Credentials"] == "true"
    readable = headers["Access-Control-Expose-Headers"].split(", ")
    assert {"Actionsight-As-Of", "ETag", "Link", "Location", "RateLimit"} <= {*readable}
    assert "Origin" in response.vary


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "null",
        "https://evil.example",
        "https://app.example.com.evil.example",
        "https://appxexample.com",
        "http://app.example.com",
        "HTTPS://APP.EXAMPLE.COM",
        "https://app.example.com:8443",
        "http://localhost:5174",
        "*",
    ],
)
def test_no_other_page_reads_anything(plain: FlaskClient, origin: str | None) -> None:
    headers = {} if origin is None else {"Origin": origin}
    for path in ("/stats", "/me", "/healthz"):
        response = plain.get(path, base_url=HTTPS, headers=headers)
        assert allowed(response) == {}
        assert "Origin" in response.vary


@pytest.mark.parametrize("path", ["/stats", "/workflows/1", "/repositories", "/me", "/logout"])
def test_a_preflight_of_a_frontend_needs_no_credentials(plain: FlaskClient, path: str) -> None:
    method = "POST" if path == "/logout" else "GET"
    response = preflight(plain, path, FRONTENDS[0], method, "x-csrf-token, x-evil")
    assert response.status_code == 200
    headers = allowed(response)
    assert headers["Access-Control-Allow-Origin"] == FRONTENDS[0]
    assert headers["Access-Control-Allow-Credentials"] == "true"
    assert method in re.split(", *", headers["Access-Control-Allow-Methods"])
    assert headers["Access-Control-Allow-Headers"] == "x-csrf-token"
    assert headers["Access-Control-Max-Age"] == "600"
    assert "Origin" in response.vary


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "*"])
def test_a_preflight_of_another_page_is_granted_nothing(plain: FlaskClient, origin: str) -> None:
    for path in ("/stats", "/logout", "/login"):
        assert allowed(preflight(plain, path, origin, headers="x-csrf-token")) == {}


def test_without_frontends_no_page_of_another_origin_reads_anything(settings: Settings) -> None:
    with app_of(settings) as app:
        app.test_client_class = None
        response = app.test_client().get("/healthz", base_url=ROOT, headers={"Origin": ROOT})
        assert allowed(response) == {}


@pytest.mark.parametrize("origin", ["https://*.example.com", "https://.*", "*://*"])
def test_an_origin_of_the_settings_is_no_pattern(settings: Settings, origin: str) -> None:
    with app_of(replace(settings, frontend_origins=(origin,))) as app:
        app.test_client_class = None
        for other in ("https://evil.example.com", "https://x"):
            response = app.test_client().get("/healthz", base_url=ROOT, headers={"Origin": other})
            assert allowed(response) == {}


@pytest.mark.parametrize(("public_url", "given"), [(HTTPS, "max-age=31536000"), (None, None)])
def test_browsers_are_told_to_come_by_https_alone_where_that_is_the_address(
    settings: Settings, public_url: str | None, given: str | None
) -> None:
    with client_of(replace(settings, public_url=public_url)) as client:
        for path in ("/healthz", "/nothing", "/stats"):
            assert client.get(path).headers.get("Strict-Transport-Security") == given
