"""The whole way: from POST /login over GitHub's page to a session."""

import re
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest
from flask import Flask
from psycopg import Connection
from werkzeug.wrappers import Request, Response

from actionsight.encryption import hash_of
from actionsight.settings import Settings
from github_standin.server.server import Break, Server
from github_standin.world.world import World
from tests.api.client import app_of
from tests.api.sign_in.browser import CALLBACK, CLIENT_ID, ROOT, Browser, changed, parameters

pytestmark = pytest.mark.integration


def assert_refused(response: Any, status: int, *words: str) -> None:
    """A problem that says what to do, and no session."""
    assert response.status_code == status, response.text
    assert response.mimetype == "application/problem+json"
    for word in words:
        assert word in response.json["detail"]
    names = [cookie.partition("=")[0] for cookie in response.headers.getlist("Set-Cookie")]
    assert "session" not in names and "csrf" not in names


def test_a_person_signs_in_and_is_known(browser: Browser) -> None:
    assert browser.me() is None
    response = browser.sign_in("ada")
    assert response.location == f"{ROOT}/me"
    me = browser.me()
    assert (me["id"], me["login"], me["name"]) == (1001, "ada", "Ada Lovelace")
    assert me["is_operator"] is False
    assert {me["csrf_header"]: me["csrf_token"]} == browser.csrf()
    assert me["avatar_url"].startswith("http")


def test_github_is_asked_with_a_challenge_a_state_and_the_one_address(
    browser: Browser, github: Server
) -> None:
    url = browser.begin()
    assert url.startswith(f"{github.url}/login/oauth/authorize?")
    asked = parameters(url)
    assert asked.pop("code_challenge_method") == "S256"
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", asked.pop("code_challenge"))
    assert len(asked.pop("state")) >= 22, "at least 128 random bits"
    assert asked == {
        "client_id": CLIENT_ID,
        "redirect_uri": ROOT + CALLBACK,
        "response_type": "code",
    }


def test_the_address_to_return_to_does_not_follow_the_request(app: Flask) -> None:
    """Whoever chose it, by a host that is allowed, could have the code sent elsewhere."""
    browser = Browser(app, "http://localhost:8000")
    response = browser.post("/login", origin=ROOT)
    assert parameters(response.location)["redirect_uri"] == ROOT + CALLBACK


def test_what_is_kept_of_a_sign_in_opens_nothing(
    browser: Browser, connection: Connection[Any]
) -> None:
    state = parameters(browser.begin())["state"]
    browser.sign_in("ada")
    kept = connection.execute(
        """
        select string_agg(content, '') from (
            select row_to_json(t)::text from app.users as t
            union all select row_to_json(t)::text from app.sign_ins as t
            union all select row_to_json(t)::text from app.sign_in_grants as t
            union all select row_to_json(t)::text from app.sessions as t
            union all select row_to_json(t)::text from app.audit_log as t
        ) as kept (content)
        """
    ).fetchone()
    assert kept is not None
    text = re.sub(r"\\\\x([0-9a-f]+)", lambda hit: _plain(hit[1]), kept[0])
    assert "ada" in text and "gAAAA" in text, "plain bytes and encrypted ones are looked at"
    for secret in (state, browser.cookie("session"), browser.cookie("csrf"), "ghu_", "ghr_"):
        assert secret and secret not in text
    session = connection.execute("select session_hash from app.sessions").fetchone()
    assert session == (hash_of(browser.cookie("session") or ""),)


def _plain(digits: str) -> str:
    return bytes.fromhex(digits).decode("latin-1")


def test_a_sign_in_stands_in_the_audit_log(browser: Browser, connection: Connection[Any]) -> None:
    browser.sign_in("ada")
    rows = connection.execute("select action, user_id, details from app.audit_log").fetchall()
    assert rows == [("sign_in.completed", 1001, {"login": "ada"})]


def test_a_person_is_known_by_the_id_also_under_another_login(
    browser: Browser, world: World, connection: Connection[Any]
) -> None:
    browser.sign_in("ada")
    world.people.add_user("lovelace", user_id=1001)
    browser.sign_in("lovelace")
    assert browser.me()["login"] == "lovelace"
    assert connection.execute("select user_id, login, name from app.users").fetchall() == [
        (1001, "lovelace", None)
    ]


@pytest.mark.parametrize("place", ["form", "query"])
def test_a_person_comes_out_where_they_wanted_to_go(browser: Browser, place: str) -> None:
    path = "/stats?group_by=day&x=%2F%2Fy#part"
    if place == "form":
        url = browser.begin(path)
    else:
        url = browser.post(f"/login?{urlencode({'next': path})}").location
    assert browser.get(browser.consent(url, "ada")).location == ROOT + path


def test_a_person_comes_out_at_a_frontend_of_the_settings_and_at_no_other(
    settings: Settings,
) -> None:
    with app_of(replace(settings, frontend_origins=("http://127.0.0.1:5173",))) as app:
        browser = Browser(app)
        for address in ("http://127.0.0.1:5173", "http://127.0.0.1:5173/app/runs?x=1#y"):
            assert browser.sign_in("ada", address).location == address
        for address in (
            "http://127.0.0.1:51730/",
            "http://127.0.0.1:5173@evil.example/",
            "http://127.0.0.1:5173//evil.example",
            "http://evil.example/",
        ):
            assert browser.post("/login", data={"next": address}).status_code == 400


def test_a_refusal_at_github_is_told_and_uses_the_sign_in_up(browser: Browser) -> None:
    back = browser.refuse(browser.begin())
    assert_refused(browser.get(back), 403, "refused", "POST /login")
    assert_refused(browser.get(back), 400, "used already")
    assert browser.me() is None


def test_a_sign_in_that_took_too_long_is_refused(
    browser: Browser, connection: Connection[Any]
) -> None:
    back = browser.consent(browser.begin(), "ada")
    connection.execute(
        "update app.sign_ins set created_at = now() - interval '10 minutes 1 second'"
    )
    assert_refused(browser.get(back), 400, "10 minutes", "POST /login")


def test_what_was_begun_long_ago_is_forgotten(
    browser: Browser, connection: Connection[Any]
) -> None:
    back = browser.consent(browser.begin(), "ada")
    connection.execute("update app.sign_ins set created_at = now() - interval '2 hours'")
    browser.begin()
    assert connection.execute("select count(*) from app.sign_ins").fetchone() == (1,)
    assert_refused(browser.get(back), 400, "Nobody began", "POST /login")


def test_a_state_serves_once(browser: Browser, github: Server) -> None:
    back = browser.consent(browser.begin(), "ada")
    assert browser.get(back).status_code == 303
    exchanges = github.paths().count("/login/oauth/access_token")
    assert_refused(browser.get(back), 400, "used already", "POST /login")
    assert github.paths().count("/login/oauth/access_token") == exchanges
    assert browser.me()["login"] == "ada", "the session that it opened is not concerned"


def test_a_code_serves_once(browser: Browser) -> None:
    first = browser.consent(browser.begin(), "ada")
    assert browser.get(first).status_code == 303
    second = browser.consent(browser.begin(), "ada")
    replayed = changed(second, code=parameters(first)["code"])
    assert_refused(browser.get(replayed), 400, "does not take the code", "POST /login")


def test_a_code_of_another_sign_in_is_refused(browser: Browser, app: Flask) -> None:
    """Who slips their own code into a victim's sign-in would have the victim use their account."""
    attacker = Browser(app)
    of_attacker = attacker.consent(attacker.begin(), "bob")
    of_victim = browser.consent(browser.begin(), "ada")
    injected = changed(of_victim, code=parameters(of_attacker)["code"])
    assert_refused(browser.get(injected), 400, "does not take the code")
    assert browser.me() is None


def test_a_state_of_another_browser_is_refused_and_not_spoilt(browser: Browser, app: Flask) -> None:
    back = browser.consent(browser.begin(), "ada")
    thief = Browser(app)
    assert_refused(thief.get(back), 403, "Another browser", "POST /login")
    thief.begin()
    assert_refused(thief.get(back), 403, "Another browser")
    assert thief.me() is None
    assert browser.get(back).status_code == 303
    assert browser.me()["login"] == "ada"


@pytest.mark.parametrize("last", [0, 1])
def test_two_tabs_sign_in_at_once(browser: Browser, connection: Connection[Any], last: int) -> None:
    urls = [browser.begin("/stats"), browser.begin("/workflows")]
    backs = [browser.consent(url, login) for url, login in zip(urls, ("ada", "bob"), strict=True)]
    first = 1 - last
    ends = {first: browser.get(backs[first]), last: browser.get(backs[last])}
    assert [ends[0].location, ends[1].location] == [f"{ROOT}/stats", f"{ROOT}/workflows"]
    assert browser.me()["login"] == ("ada", "bob")[last]
    open_sessions = connection.execute("select user_id from app.sessions where ended_at is null")
    assert open_sessions.fetchall() == [((1001, 1002)[last],)]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"state": None}, "state is missing"),
        ({"state": "made-up"}, "Nobody began"),
        ({"code": None}, "code is missing"),
        ({"code": None, "error": "redirect_uri_mismatch"}, "redirect_uri_mismatch"),
        ({"code": "made-up"}, "does not take the code"),
    ],
)
def test_a_way_back_that_lacks_something_is_told(
    browser: Browser, given: dict[str, str | None], words: str
) -> None:
    back = browser.consent(browser.begin(), "ada")
    assert_refused(browser.get(changed(back, **given)), 400, words, "POST /login")


def test_what_github_adds_to_the_address_is_ignored(browser: Browser) -> None:
    back = browser.consent(browser.begin(), "ada")
    assert browser.get(f"{back}&installation_id=1&setup_action=install").status_code == 303


@pytest.mark.parametrize("path", ["/login/oauth/access_token", "/user"])
@pytest.mark.parametrize(
    "answer",
    [
        Break(),
        Break(5),
        Response("Oh no", 502),
        Response("Oh no", 200),
        Response("[]", 200, mimetype="application/json"),
        Response("{}", 200, mimetype="application/json"),
    ],
    ids=["no answer", "half an answer", "502", "no JSON", "a list", "nothing"],
)
def test_github_that_does_not_answer_is_a_503_and_the_next_try_succeeds(
    browser: Browser, github: Server, path: str, answer: Break | Response
) -> None:
    def fault(request: Request) -> Break | Response | None:
        return answer if request.path == path else None

    back = browser.consent(browser.begin(), "ada")
    github.fault = fault
    response = browser.get(back)
    assert_refused(response, 503, "GitHub does not answer", "Try again")
    assert response.headers["Retry-After"]
    github.fault = None
    browser.sign_in("ada")


def test_a_client_that_github_does_not_know_is_the_operators_to_repair(
    browser: Browser, world: World
) -> None:
    back = browser.consent(browser.begin(), "ada")
    world.people.register_app(CLIENT_ID, "another secret", [ROOT + CALLBACK])
    response = browser.get(back)
    assert_refused(response, 503, "ACTIONSIGHT_GITHUB_CLIENT_SECRET", "operator")


def test_a_session_is_never_one_that_the_browser_brought(browser: Browser, app: Flask) -> None:
    """Who plants a cookie in somebody's browser must not know their session afterwards."""
    attacker = Browser(app)
    attacker.sign_in("bob")
    for planted in ("planted-by-an-attacker", attacker.cookie("session") or ""):
        browser.client.set_cookie("session", planted, domain="127.0.0.1")
        browser.sign_in("ada")
        assert browser.cookie("session") != planted
        browser.client.set_cookie("session", planted, domain="127.0.0.1")
        assert browser.me() is None


def test_an_older_session_of_the_browser_ends_here_and_at_github(
    browser: Browser, github: Server, connection: Connection[Any]
) -> None:
    browser.sign_in("ada")
    older = browser.cookie("session") or ""
    browser.sign_in("bob")
    assert browser.me()["login"] == "bob"
    browser.client.set_cookie("session", older, domain="127.0.0.1")
    assert browser.me() is None
    ended = [logged.status for logged in github.requests if logged.method == "DELETE"]
    assert ended == [204]
    reasons = connection.execute(
        "select details ->> 'reason' from app.audit_log where action = 'sign_in.ended'"
    ).fetchall()
    assert reasons == [("signed in again",)]
