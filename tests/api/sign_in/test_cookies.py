"""Cookies are as closed as the connection allows."""

from dataclasses import replace
from http.cookies import SimpleCookie
from typing import Any

import pytest

from actionsight.settings import Settings
from github_standin.world.world import World
from tests.api.client import app_of
from tests.api.sign_in.browser import CALLBACK, CLIENT_ID, CLIENT_SECRET, ROOT, Browser

pytestmark = pytest.mark.integration

HTTPS = "https://actions.example.com"


def flags(response: Any) -> dict[str, dict[str, Any]]:
    """The cookies that a response sets: their attributes by name (`expires` repeats `max-age`)."""
    cookies: dict[str, dict[str, Any]] = {}
    for header in response.headers.getlist("Set-Cookie"):
        ((name, cookie),) = SimpleCookie(header).items()
        cookies[name] = {key: value for key, value in cookie.items() if value and key != "expires"}
    return cookies


@pytest.mark.parametrize("root", [ROOT, HTTPS])
def test_cookies_are_as_closed_as_the_connection_allows(
    settings: Settings, world: World, root: str
) -> None:
    world.people.register_app(CLIENT_ID, CLIENT_SECRET, [root + CALLBACK])
    is_https = root == HTTPS
    closed: dict[str, Any] = {"path": "/", "samesite": "Lax", "httponly": True}
    readable: dict[str, Any] = {"path": "/", "samesite": "Lax"}
    if is_https:
        closed["secure"] = readable["secure"] = True
    prefix = "__Host-" if is_https else ""
    with app_of(replace(settings, public_url=root)) as app:
        browser = Browser(app, root)
        begun = browser.post("/login")
        ((name, sign_in),) = flags(begun).items()
        assert name.startswith(f"{prefix}sign-in-")
        assert sign_in.pop("max-age") == "600"
        assert sign_in == closed

        given = flags(browser.get(browser.consent(begun.location, "ada")))
        assert set(given) == {name, f"{prefix}session", f"{prefix}csrf"}
        assert given[name]["max-age"] == "0", "used up, so taken away"
        for cookie, expected in (("session", closed), ("csrf", readable)):
            attributes = given[prefix + cookie]
            assert attributes.pop("max-age") == str(30 * 24 * 3600)
            assert attributes == expected, cookie
        assert len(browser.cookie("session") or "") >= 43, "256 random bits"
        assert browser.me()["csrf_token"] == browser.cookie("csrf")

        taken = flags(browser.sign_out())
        assert set(taken) == {f"{prefix}session", f"{prefix}csrf"}
        for attributes in taken.values():
            assert attributes["max-age"] == "0"
            assert attributes["path"] == "/"
            assert attributes.get("secure", False) is is_https


def test_nothing_else_sets_a_cookie(browser: Browser) -> None:
    browser.sign_in("ada")
    for path in ("/me", "/healthz", "/openapi.json", "/nothing"):
        assert not flags(browser.get(path))
