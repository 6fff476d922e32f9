"""What is known of Flask-Dance's inside holds, and nothing in it is shared between requests."""

import logging
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, session
from flask_dance.consumer import OAuth2ConsumerBlueprint, oauth_authorized, oauth_before_login
from psycopg import Connection
from werkzeug.wrappers import Request, Response

from actionsight.settings import Settings
from api.sign_in.oauth import CALLBACK, GitHubOAuth
from api.sign_in.views import make_blueprint
from github_standin.server.server import Server
from github_standin.world.tokens import UserToken
from github_standin.world.world import World
from tests.api.client import app_of
from tests.api.sign_in.browser import CLIENT_SECRET, ROOT, Browser, parameters

pytestmark = pytest.mark.integration

THREADS = 8


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    """Let the interpreter switch threads as often as it can: what is shared shows at once."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.fixture
def oauth(settings: Settings) -> GitHubOAuth:
    return make_blueprint(settings)


@pytest.fixture
def bare_app(oauth: GitHubOAuth) -> Flask:
    """An application that has nothing but the blueprint."""
    app = Flask(__name__)
    oauth.init_app(app)
    app.register_blueprint(oauth)
    return app


def test_what_flask_dance_keeps_is_where_we_take_it(oauth: GitHubOAuth, bare_app: Flask) -> None:
    """Its names of state and verifier, and the challenge that belongs to them."""
    with bare_app.test_request_context("/login", method="POST"):
        begun = oauth.begin()
        assert not session, "nothing is left for a cookie"
        assert parameters(begun.url)["state"] == begun.state
        assert len(begun.verifier) >= 43
        challenge = oauth.session._client.create_code_challenge(begun.verifier, "S256")
        assert parameters(begun.url)["code_challenge"] == challenge


def test_what_flask_dance_would_share_lives_as_long_as_a_request(
    oauth: GitHubOAuth, bare_app: Flask
) -> None:
    assert isinstance(OAuth2ConsumerBlueprint.session, property), "its maker is `fget`"
    seen = []
    for _ in range(2):
        with bare_app.test_request_context("/login", method="POST"):
            oauth.begin()
            assert oauth.session is oauth.session
            assert "code_challenge" in oauth.authorization_url_params
            seen.append((oauth.session, oauth.authorization_url_params, oauth.token_url_params))
        with bare_app.test_request_context(CALLBACK):
            assert oauth.authorization_url_params == {}
            assert oauth.token_url_params == {"include_client_id": True}
    assert all(one is not other for one, other in zip(*seen, strict=True))
    assert "session" not in vars(oauth)


def test_flask_dances_own_routes_are_not_there(bare_app: Flask) -> None:
    rules = {
        rule.rule: (rule.methods or set()) - {"HEAD", "OPTIONS"}
        for rule in bare_app.url_map.iter_rules()
    }
    assert rules.pop("/static/<path:filename>")
    assert rules == {"/login": {"POST"}, CALLBACK: {"GET"}}


def test_flask_dances_signals_are_sent(browser: Browser) -> None:
    sent = []

    def note(_: Any, **given: Any) -> None:
        sent.append(sorted(given))

    with oauth_before_login.connected_to(note), oauth_authorized.connected_to(note):
        browser.sign_in("ada")
    assert sent == [["url"], ["token"]]


def test_behind_a_proxy_that_ends_tls_the_scheme_of_the_request_does_not_matter(
    settings: Settings, world: World
) -> None:
    root = "https://actions.example.com"
    world.people.register_app(settings.github_client_id or "", CLIENT_SECRET, [root + CALLBACK])
    with app_of(replace(settings, public_url=root)) as app:
        inside = Browser(app, "http://actions.example.com")
        url = inside.post("/login", origin=root).location
        back = inside.consent(url, "ada")
        assert back.startswith(root + CALLBACK)
        assert inside.get(back).status_code == 303


def test_the_exchange_follows_no_redirect_and_reads_no_netrc(
    browser: Browser, github: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A 307 would carry client secret, code and verifier wherever it says."""
    netrc = tmp_path / "netrc"
    netrc.write_text("default login someone password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))

    def redirects(request: Request) -> Response | None:
        is_exchange = request.path == "/login/oauth/access_token"
        return Response("", 307, {"Location": "/elsewhere"}) if is_exchange else None

    back = browser.consent(browser.begin(), "ada")
    github.fault = redirects
    assert browser.get(back).status_code == 503
    assert "/elsewhere" not in github.paths()
    assert "authorization" not in github.requests[-1].headers
    github.fault = None
    browser.sign_in("ada")


def test_no_secret_reaches_a_log_at_any_level(
    browser: Browser, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    names = ["", *logging.root.manager.loggerDict]
    with caplog.at_level(logging.DEBUG):
        for name in names:
            if name.startswith(("flask_dance", "oauthlib", "requests_oauthlib", "urllib3", "api")):
                caplog.set_level(logging.DEBUG, logger=name)
        begun = browser.begin()
        said = caplog.text
        back = browser.consent(begun, "ada")
        caplog.clear()  # what the browser asked for is the browser's
        browser.get(back)
        issued = list(world.people.tokens._tokens.values())[-1]
        assert isinstance(issued, UserToken)
        session_cookie, csrf_cookie = browser.cookie("session"), browser.cookie("csrf")
        browser.get(back)
        browser.me()
        browser.sign_out()
    said += caplog.text
    assert "/login/oauth/access_token" in said, "the log is at DEBUG"
    secrets = [
        CLIENT_SECRET,
        parameters(begun)["state"],
        parameters(back)["code"],
        issued.access_token,
        issued.refresh_token,
        session_cookie,
        csrf_cookie,
        "code_verifier",
    ]
    for secret in secrets:
        assert secret and secret not in said


@pytest.mark.usefixtures("hasty_threads")
@pytest.mark.parametrize("people", [60, pytest.param(300, marks=pytest.mark.thorough)])
def test_people_who_sign_in_at_once_are_not_mixed(
    app: Flask, world: World, connection: Connection[Any], people: int
) -> None:
    for number in range(people):
        world.people.add_user(f"person-{number}", user_id=5000 + number)
    app.test_client_class = None  # the one that holds answers against the document is too slow

    def sign_in(number: int) -> tuple[Any, Any]:
        browser = Browser(app, ROOT, f"192.0.2.{number % 250}")
        path = f"/stats?person={number}"
        ended = browser.sign_in(f"person-{number}", path)
        assert ended.location == ROOT + path
        me = browser.me()
        return (f"person-{number}", 5000 + number), (me["login"], me["id"])

    with ThreadPoolExecutor(THREADS) as threads:
        results = list(threads.map(sign_in, range(people)))
    assert len(results) == people
    assert [result for result in results if result[0] != result[1]] == []
    row = connection.execute(
        "select count(distinct user_id), count(*) from app.sessions where ended_at is null"
    ).fetchone()
    assert row == (people, people)
