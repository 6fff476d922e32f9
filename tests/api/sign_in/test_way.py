"""The whole way: from POST /login over GitHub's page to a session."""

import re
from typing import Any
from urllib.parse import urlencode

import pytest
from flask import Flask
from psycopg import Connection
from werkzeug.wrappers import Request, Response

from api.auth.sessions import hash_of
from github_standin.server.server import Break, Server
from github_standin.world.world import World
from tests.api.sign_in.visitors import CALLBACK, CLIENT_ID, ROOT, Visitor, changed, parameters

pytestmark = pytest.mark.integration


def assert_refused(response: Any, status: int, *words: str) -> None:
    """A problem that says what to do, and no session."""
    assert response.status_code == status, response.text
    assert response.mimetype == "application/problem+json"
    for word in words:
        assert word in response.json["detail"]
    names = [cookie.partition("=")[0] for cookie in response.headers.getlist("Set-Cookie")]
    assert "session" not in names and "csrf" not in names


def test_a_person_signs_in_and_is_known(visitor: Visitor) -> None:
    assert visitor.me() is None
    response = visitor.sign_in("ada")
    assert response.location == f"{ROOT}/me"
    me = visitor.me()
    assert (me["id"], me["login"], me["name"]) == (1001, "ada", "Ada Lovelace")
    assert me["is_operator"] is False
    assert {me["csrf_header"]: me["csrf_token"]} == visitor.csrf()
    assert me["avatar_url"].startswith("http")


def test_github_is_asked_with_a_challenge_a_state_and_the_one_address(
    visitor: Visitor, github: Server
) -> None:
    url = visitor.begin()
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
    visitor = Visitor(app, "http://localhost:8000")
    response = visitor.post("/login", origin=ROOT)
    assert parameters(response.location)["redirect_uri"] == ROOT + CALLBACK


def test_what_is_kept_of_a_sign_in_opens_nothing(
    visitor: Visitor, connection: Connection[Any]
) -> None:
    state = parameters(visitor.begin())["state"]
    visitor.sign_in("ada")
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
    for secret in (state, visitor.cookie("session"), visitor.cookie("csrf"), "ghu_", "ghr_"):
        assert secret and secret not in text
    session = connection.execute("select session_hash from app.sessions").fetchone()
    assert session == (hash_of(visitor.cookie("session") or ""),)


def _plain(digits: str) -> str:
    return bytes.fromhex(digits).decode("latin-1")


def test_a_sign_in_stands_in_the_audit_log(visitor: Visitor, connection: Connection[Any]) -> None:
    visitor.sign_in("ada")
    rows = connection.execute("select action, user_id, details from app.audit_log").fetchall()
    assert rows == [("sign_in.completed", 1001, {"login": "ada"})]


def test_a_person_is_known_by_the_id_also_under_another_login(
    visitor: Visitor, world: World, connection: Connection[Any]
) -> None:
    visitor.sign_in("ada")
    world.people.add_user("lovelace", user_id=1001)
    visitor.sign_in("lovelace")
    assert visitor.me()["login"] == "lovelace"
    assert connection.execute("select user_id, login, name from app.users").fetchall() == [
        (1001, "lovelace", None)
    ]


@pytest.mark.parametrize("place", ["form", "query"])
def test_a_person_comes_out_where_they_wanted_to_go(visitor: Visitor, place: str) -> None:
    path = "/stats?group_by=day&x=%2F%2Fy#part"
    if place == "form":
        url = visitor.begin(path)
    else:
        url = visitor.post(f"/login?{urlencode({'next': path})}").location
    assert visitor.get(visitor.consent(url, "ada")).location == ROOT + path


def test_a_refusal_at_github_is_told_and_uses_the_sign_in_up(visitor: Visitor) -> None:
    back = visitor.refuse(visitor.begin())
    assert_refused(visitor.get(back), 403, "refused", "POST /login")
    assert_refused(visitor.get(back), 400, "used already")
    assert visitor.me() is None


def test_a_sign_in_that_took_too_long_is_refused(
    visitor: Visitor, connection: Connection[Any]
) -> None:
    back = visitor.consent(visitor.begin(), "ada")
    connection.execute(
        "update app.sign_ins set created_at = now() - interval '10 minutes 1 second'"
    )
    assert_refused(visitor.get(back), 400, "10 minutes", "POST /login")


def test_what_was_begun_long_ago_is_forgotten(
    visitor: Visitor, connection: Connection[Any]
) -> None:
    back = visitor.consent(visitor.begin(), "ada")
    connection.execute("update app.sign_ins set created_at = now() - interval '2 hours'")
    visitor.begin()
    assert connection.execute("select count(*) from app.sign_ins").fetchone() == (1,)
    assert_refused(visitor.get(back), 400, "Nobody began", "POST /login")


def test_a_state_serves_once(visitor: Visitor, github: Server) -> None:
    back = visitor.consent(visitor.begin(), "ada")
    assert visitor.get(back).status_code == 303
    exchanges = github.paths().count("/login/oauth/access_token")
    assert_refused(visitor.get(back), 400, "used already", "POST /login")
    assert github.paths().count("/login/oauth/access_token") == exchanges
    assert visitor.me()["login"] == "ada", "the session that it opened is not concerned"


def test_a_code_serves_once(visitor: Visitor) -> None:
    first = visitor.consent(visitor.begin(), "ada")
    assert visitor.get(first).status_code == 303
    second = visitor.consent(visitor.begin(), "ada")
    replayed = changed(second, code=parameters(first)["code"])
    assert_refused(visitor.get(replayed), 400, "does not take the code", "POST /login")


def test_a_code_of_another_sign_in_is_refused(visitor: Visitor, app: Flask) -> None:
    """Who slips their own code into a victim's sign-in would have the victim use their account."""
    attacker = Visitor(app)
    of_attacker = attacker.consent(attacker.begin(), "bob")
    of_victim = visitor.consent(visitor.begin(), "ada")
    injected = changed(of_victim, code=parameters(of_attacker)["code"])
    assert_refused(visitor.get(injected), 400, "does not take the code")
    assert visitor.me() is None


def test_a_state_of_another_browser_is_refused_and_not_spoilt(visitor: Visitor, app: Flask) -> None:
    back = visitor.consent(visitor.begin(), "ada")
    thief = Visitor(app)
    assert_refused(thief.get(back), 403, "Another browser", "POST /login")
    thief.begin()
    assert_refused(thief.get(back), 403, "Another browser")
    assert thief.me() is None
    assert visitor.get(back).status_code == 303
    assert visitor.me()["login"] == "ada"


@pytest.mark.parametrize("last", [0, 1])
def test_two_tabs_sign_in_at_once(visitor: Visitor, connection: Connection[Any], last: int) -> None:
    urls = [visitor.begin("/stats"), visitor.begin("/workflows")]
    backs = [visitor.consent(url, login) for url, login in zip(urls, ("ada", "bob"), strict=True)]
    first = 1 - last
    ends = {first: visitor.get(backs[first]), last: visitor.get(backs[last])}
    assert [ends[0].location, ends[1].location] == [f"{ROOT}/stats", f"{ROOT}/workflows"]
    assert visitor.me()["login"] == ("ada", "bob")[last]
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
    visitor: Visitor, given: dict[str, str | None], words: str
) -> None:
    back = visitor.consent(visitor.begin(), "ada")
    assert_refused(visitor.get(changed(back, **given)), 400, words, "POST /login")


def test_what_github_adds_to_the_address_is_ignored(visitor: Visitor) -> None:
    back = visitor.consent(visitor.begin(), "ada")
    assert visitor.get(f"{back}&installation_id=1&setup_action=install").status_code == 303


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
    visitor: Visitor, github: Server, path: str, answer: Break | Response
) -> None:
    def fault(request: Request) -> Break | Response | None:
        return answer if request.path == path else None

    back = visitor.consent(visitor.begin(), "ada")
    github.fault = fault
    response = visitor.get(back)
    assert_refused(response, 503, "GitHub does not answer", "Try again")
    assert response.headers["Retry-After"]
    github.fault = None
    visitor.sign_in("ada")


def test_a_client_that_github_does_not_know_is_the_operators_to_repair(
    visitor: Visitor, world: World
) -> None:
    back = visitor.consent(visitor.begin(), "ada")
    world.people.register_app(CLIENT_ID, "another secret", [ROOT + CALLBACK])
    response = visitor.get(back)
    assert_refused(response, 503, "ACTIONSIGHT_GITHUB_CLIENT_SECRET", "operator")


def test_a_session_is_never_one_that_the_browser_brought(visitor: Visitor, app: Flask) -> None:
    """Who plants a cookie in somebody's browser must not know their session afterwards."""
    attacker = Visitor(app)
    attacker.sign_in("bob")
    for planted in ("planted-by-an-attacker", attacker.cookie("session") or ""):
        visitor.client.set_cookie("session", planted, domain="127.0.0.1")
        visitor.sign_in("ada")
        assert visitor.cookie("session") != planted
        visitor.client.set_cookie("session", planted, domain="127.0.0.1")
        assert visitor.me() is None


def test_an_older_session_of_the_browser_ends_here_and_at_github(
    visitor: Visitor, github: Server, connection: Connection[Any]
) -> None:
    visitor.sign_in("ada")
    older = visitor.cookie("session") or ""
    visitor.sign_in("bob")
    assert visitor.me()["login"] == "bob"
    visitor.client.set_cookie("session", older, domain="127.0.0.1")
    assert visitor.me() is None
    ended = [logged.status for logged in github.requests if logged.method == "DELETE"]
    assert ended == [204]
    reasons = connection.execute(
        "select details ->> 'reason' from app.audit_log where action = 'sign_in.ended'"
    ).fetchall()
    assert reasons == [("signed in again",)]
