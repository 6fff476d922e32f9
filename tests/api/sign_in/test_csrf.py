"""Only pages of this API and of its frontends may sign people in or write in their names."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask import Flask

from actionsight.encryption import hash_of
from actionsight.settings import Settings
from api.auth import csrf
from api.auth.origins import origin_of
from tests.api.client import app_of
from tests.api.sign_in.browser import ROOT, SECRET_KEY, Browser

pytestmark = pytest.mark.integration

FRONTEND = "https://app.example.com"
FOREIGN = [
    None,
    "null",
    "*",
    "https://127.0.0.1:8000",
    "http://127.0.0.1",
    "http://127.0.0.1:8001",
    "http://localhost:8000",
    ROOT + "/",
    ROOT + ".example.com",
    "http://127.0.0.1:8000@evil.example",
    "http://evil.example",
    f"{ROOT}, http://evil.example",
    "http://app.example.com",
    "https://app.example.com.evil.example",
    "https://evil-app.example.com",
    "https://app_example.com",
    "https://app.example.com:8443",
]


@pytest.fixture
def app(settings: Settings) -> Iterator[Flask]:
    with app_of(replace(settings, frontend_origins=(FRONTEND + ":443",))) as app:
        yield app


@pytest.mark.parametrize("origin", [ROOT, FRONTEND])
def test_own_pages_and_frontends_sign_people_in_and_out(browser: Browser, origin: str) -> None:
    assert browser.post("/login", origin=origin).status_code == 303
    browser.sign_in("ada")
    response = browser.post("/logout", origin=origin, headers=browser.csrf())
    assert response.status_code == 204


@pytest.mark.parametrize("origin", FOREIGN)
def test_other_pages_sign_nobody_in(browser: Browser, origin: str | None) -> None:
    response = browser.post("/login", origin=origin)
    assert response.status_code == 403
    assert "Origin" in response.text and ROOT in response.text
    assert not response.headers.getlist("Set-Cookie")


@pytest.mark.parametrize("origin", FOREIGN)
def test_other_pages_sign_nobody_out_even_with_the_token(
    browser: Browser, origin: str | None
) -> None:
    browser.sign_in("ada")
    response = browser.post("/logout", origin=origin, headers=browser.csrf())
    assert response.status_code == 403
    assert browser.me()["login"] == "ada"


def test_a_write_needs_the_token_of_its_own_session(browser: Browser, app: Flask) -> None:
    other = Browser(app)
    other.sign_in("bob")
    browser.sign_in("ada")
    own, of_other = browser.cookie("csrf") or "", other.cookie("csrf") or ""
    guesses = [
        None,
        "",
        of_other,
        own[:-1],
        own.upper(),
        own + " x",
        "ÿ",
        browser.cookie("session"),
    ]
    for guess in guesses:
        headers = {} if guess is None else {"X-CSRF-Token": guess}
        response = browser.post("/logout", headers=headers)
        assert response.status_code == 403, guess
        assert "X-CSRF-Token" in response.text
        assert own not in response.text
    assert browser.me()["login"] == "ada"


def test_a_token_lasts_as_long_as_its_session(browser: Browser) -> None:
    browser.sign_in("ada")
    before = browser.csrf()
    browser.sign_in("ada")
    assert browser.post("/logout", headers=before).status_code == 403
    assert browser.sign_out().status_code == 204


def test_a_token_hangs_on_the_session_and_on_the_secret_key(settings: Settings) -> None:
    session = hash_of("a session")
    tokens = {
        csrf.token_of(session, settings),
        csrf.token_of(hash_of("another"), settings),
        csrf.token_of(session, replace(settings, secret_key=SECRET_KEY[::-1])),
    }
    assert len(tokens) == 3
    with pytest.raises(ValueError, match="ACTIONSIGHT_SECRET_KEY"):
        csrf.token_of(session, replace(settings, secret_key=None))


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("https://Example.COM:443", "https://example.com"),
        ("http://example.com:80/", "http://example.com"),
        ("http://example.com:443", "http://example.com:443"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_an_origin_is_written_as_browsers_write_it(address: str, origin: str) -> None:
    assert origin_of(address) == origin
