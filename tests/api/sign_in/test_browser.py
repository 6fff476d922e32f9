"""The whole way in a real browser, which has its own opinion of cookies, origins and redirects."""

import json
import socket
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Response

from actionsight.loopback import HOST
from actionsight.settings import Settings
from api.dashboard import views as dashboard
from github_standin.server.server import Server
from github_standin.world.world import World
from tests.api.client import app_of
from tests.api.sign_in.browser import CALLBACK, CLIENT_ID, CLIENT_SECRET
from tests.support.chromium import Page, browsing, find_chromium

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

PROGRAM = find_chromium()
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        PROGRAM is None,
        reason="no chromium on this machine (Debian and Ubuntu: the package chromium)",
    ),
]

# As a page's button would do it: sent as the browser sends forms.
FORM = """
    const form = document.createElement("form");
    form.method = "post";
    form.action = %s;
    document.body.append(form);
    form.submit();
"""
BODY = "JSON.parse(document.body.innerText)"
ASK = 'fetch(%s, {credentials: "include"}).then(answer => answer.json())'
SIGN_OUT = """
    fetch(%s, {
        method: "POST",
        credentials: "include",
        headers: {[(%s).csrf_header]: (%s).csrf_token},
    }).then(answer => answer.status)
"""
CAN_READ = 'fetch(%s, {credentials: "include"}).then(() => true, () => false)'


@dataclass
class Site:
    """The API and a frontend, each under its own origin, and GitHub's stand-in.

    A page of the API may ask nothing by script, by its own policy; a frontend's may.
    """

    root: str
    frontend: str
    github: Server


class _Quiet(WSGIRequestHandler):
    """Logs no addresses: they hold codes and states."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


@contextmanager
def served(app: "WSGIApplication", listening: socket.socket) -> Generator[None]:
    """Let an application answer at a socket for the length of the context."""
    host, port = listening.getsockname()
    server = make_server(
        host, port, app, threaded=True, request_handler=_Quiet, fd=listening.fileno()
    )
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


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


@pytest.fixture
def page() -> Iterator[Page]:
    assert PROGRAM is not None
    with browsing(PROGRAM) as page:
        yield page


def submit(page: Page, url: str) -> None:
    """Send an empty form from the page that is there."""
    page.evaluate(FORM % json.dumps(url))


def click(page: Page, name: str) -> None:
    """Click the button whose text begins so, once it is there."""
    button = (
        "[...document.querySelectorAll('button')]"
        f".find(button => button.innerText.startsWith({json.dumps(name)}))"
    )
    page.wait_until(f"{button} !== undefined")
    page.evaluate(f"{button}.click()")


def sign_in(page: Page, site: Site, origin: str) -> None:
    """From a page of this origin, by GitHub's page, to GET /me."""
    page.open(f"{origin}/healthz")
    submit(page, f"{site.root}/login")
    click(page, "Sign in as ada")
    page.wait_until_at(f"{site.root}/me")


@pytest.mark.parametrize("begins_at", ["root", "frontend"])
def test_a_person_signs_in_by_a_click(page: Page, site: Site, begins_at: str) -> None:
    sign_in(page, site, getattr(site, begins_at))
    assert page.evaluate(BODY)["login"] == "ada"
    cookies = page.cookies()
    assert set(cookies) == {"session", "csrf"}, "the cookie of the sign-in is taken away"
    assert cookies["session"]["httpOnly"] and not cookies["csrf"]["httpOnly"]
    assert {cookie["sameSite"] for cookie in cookies.values()} == {"Lax"}
    assert "session=" not in page.evaluate("document.cookie")


def test_where_the_page_is_not_built_the_home_page_signs_a_person_in_and_out(
    page: Page, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dashboard, "BUNDLE", tmp_path)
    page.open(f"{site.root}/")
    click(page, "Sign in with GitHub")
    click(page, "Sign in as ada")
    page.wait_until_at(f"{site.root}/")
    page.wait_until("document.getElementById('login').innerText === 'ada'")
    click(page, "Sign out")
    page.wait_until("document.getElementById('signed-out').hidden === false")
    assert page.cookies() == {}


def test_a_frontend_asks_who_is_there_and_signs_them_out(page: Page, site: Site) -> None:
    sign_in(page, site, site.frontend)
    page.open(f"{site.frontend}/")
    me = page.evaluate(ASK % json.dumps(f"{site.root}/me"))
    assert me["login"] == "ada"
    logout = json.dumps(f"{site.root}/logout")
    assert page.evaluate(SIGN_OUT % (logout, json.dumps(me), json.dumps(me))) == 204
    assert page.evaluate(ASK % json.dumps(f"{site.root}/me"))["status"] == 401
    assert page.cookies() == {}


def test_a_person_who_refuses_is_told_so(page: Page, site: Site) -> None:
    page.open(f"{site.root}/healthz")
    submit(page, f"{site.root}/login")
    click(page, "Refuse")
    page.wait_until(f"location.href.startsWith({json.dumps(site.root + CALLBACK)})")
    page.wait_until("document.readyState === 'complete'")
    assert "You refused at GitHub" in page.evaluate(BODY)["detail"]
    assert "session" not in page.cookies()


def test_a_page_of_another_origin_reads_nothing_and_signs_nobody_in_or_out(
    page: Page, site: Site
) -> None:
    """Even one on the same host, to which the browser sends the cookies."""
    sign_in(page, site, site.root)
    elsewhere = f"{site.github.url}/meta"
    page.open(elsewhere)
    assert page.evaluate(CAN_READ % json.dumps(f"{site.root}/me")) is False
    for path in ("/logout", "/login"):
        page.open(elsewhere)
        submit(page, site.root + path)
        page.wait_until_at(site.root + path)
        assert page.evaluate(BODY)["status"] == 403
    page.open(f"{site.root}/me")
    assert page.evaluate(BODY)["login"] == "ada"
