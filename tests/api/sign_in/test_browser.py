"""The whole way in a real browser, which has its own opinion of cookies, origins and redirects."""

import json
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from playwright import sync_api
from playwright.sync_api import Page, expect
from werkzeug.wrappers import Response

from actionsight.loopback import HOST
from actionsight.settings import Settings
from api.dashboard import views as dashboard
from github_standin.server.server import Server
from github_standin.world.world import World
from tests.api.client import app_of
from tests.api.sign_in.browser import CALLBACK, CLIENT_ID, CLIENT_SECRET
from tests.support.browser import MISSING, chromium, find_chromium
from tests.support.wsgi import served

pytestmark = pytest.mark.integration

# As a page's button would do it: sent as the browser sends forms.
FORM = """(action) => {
    const form = document.createElement("form");
    form.method = "post";
    form.action = action;
    document.body.append(form);
    form.submit();
}"""
ASK = "(url) => fetch(url, {credentials: 'include'}).then((answer) => answer.json())"
SIGN_OUT = """([url, me]) => fetch(url, {
    method: "POST",
    credentials: "include",
    headers: {[me.csrf_header]: me.csrf_token},
}).then((answer) => answer.status)"""
CAN_READ = "(url) => fetch(url, {credentials: 'include'}).then(() => true, () => false)"


@dataclass
class Site:
    """The API and a frontend, each under its own origin, and GitHub's stand-in.

    A page of the API may ask nothing by script, by its own policy; a frontend's may.
    """

    root: str
    frontend: str
    github: Server


@pytest.fixture
def site(settings: Settings, world: World, github: Server) -> Iterator[Site]:
    page = Response("<title>Frontend</title>", mimetype="text/html")
    # Each must know the other's address before it answers.
    with socket.create_server((HOST, 0)) as first, socket.create_server((HOST, 0)) as second:
        root, frontend = (f"http://{HOST}:{each.getsockname()[1]}" for each in (first, second))
        world.people.register_app(CLIENT_ID, CLIENT_SECRET, [root + CALLBACK])
        own = replace(settings, public_url=root, frontend_origins=(frontend,))
        with app_of(own) as app, served(app, first), served(page, second):
            yield Site(root, frontend, github)


@pytest.fixture(scope="module")
def program() -> Iterator[sync_api.Browser]:
    path = find_chromium()
    if path is None:
        pytest.skip(MISSING)
    with chromium(path) as program:
        yield program


@pytest.fixture
def page(program: sync_api.Browser) -> Iterator[Page]:
    """A tab of a browser with nothing stored."""
    with program.new_context() as context:
        yield context.new_page()


def body(page: Page) -> Any:
    """What an answer in JSON says, which the browser shows."""
    return json.loads(page.locator("body").inner_text())


def cookies(page: Page) -> dict[str, Any]:
    """All cookies of the browser by name, with their attributes."""
    return {cookie.get("name", ""): cookie for cookie in page.context.cookies()}


def sign_in(page: Page, site: Site, origin: str) -> None:
    """From a page of this origin, by GitHub's page, to GET /me."""
    page.goto(f"{origin}/healthz")
    page.evaluate(FORM, f"{site.root}/login")
    page.get_by_role("button", name="Sign in as ada").click()
    expect(page).to_have_url(f"{site.root}/me")


@pytest.mark.parametrize("begins_at", ["root", "frontend"])
def test_a_person_signs_in_by_a_click(page: Page, site: Site, begins_at: str) -> None:
    sign_in(page, site, getattr(site, begins_at))
    assert body(page)["login"] == "ada"
    found = cookies(page)
    assert set(found) == {"session", "csrf"}, "the cookie of the sign-in is taken away"
    assert found["session"]["httpOnly"] and not found["csrf"]["httpOnly"]
    assert {cookie["sameSite"] for cookie in found.values()} == {"Lax"}
    assert "session=" not in page.evaluate("document.cookie")


def test_where_the_page_is_not_built_the_home_page_signs_a_person_in_and_out(
    page: Page, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dashboard, "BUNDLE", tmp_path)
    page.goto(f"{site.root}/")
    page.get_by_role("button", name="Sign in with GitHub").click()
    page.get_by_role("button", name="Sign in as ada").click()
    expect(page).to_have_url(f"{site.root}/")
    expect(page.locator("#login")).to_have_text("ada")
    page.get_by_role("button", name="Sign out").click()
    expect(page.locator("#signed-out")).to_be_visible()
    assert cookies(page) == {}


def test_a_frontend_asks_who_is_there_and_signs_them_out(page: Page, site: Site) -> None:
    sign_in(page, site, site.frontend)
    page.goto(f"{site.frontend}/")
    me = page.evaluate(ASK, f"{site.root}/me")
    assert me["login"] == "ada"
    assert page.evaluate(SIGN_OUT, [f"{site.root}/logout", me]) == 204
    assert page.evaluate(ASK, f"{site.root}/me")["status"] == 401
    assert cookies(page) == {}


def test_a_person_who_refuses_is_told_so(page: Page, site: Site) -> None:
    page.goto(f"{site.root}/healthz")
    page.evaluate(FORM, f"{site.root}/login")
    page.get_by_role("button", name="Refuse").click()
    expect(page).to_have_url(re.compile(re.escape(site.root + CALLBACK)))
    assert "You refused at GitHub" in body(page)["detail"]
    assert "session" not in cookies(page)


def test_a_page_of_another_origin_reads_nothing_and_signs_nobody_in_or_out(
    page: Page, site: Site
) -> None:
    """Even one on the same host, to which the browser sends the cookies."""
    sign_in(page, site, site.root)
    elsewhere = f"{site.github.url}/meta"
    page.goto(elsewhere)
    assert page.evaluate(CAN_READ, f"{site.root}/me") is False
    for path in ("/logout", "/login"):
        page.goto(elsewhere)
        page.evaluate(FORM, site.root + path)
        expect(page).to_have_url(site.root + path)
        assert body(page)["status"] == 403
    page.goto(f"{site.root}/me")
    assert body(page)["login"] == "ada"
