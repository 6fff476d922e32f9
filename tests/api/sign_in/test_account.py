"""/tokens and /sessions: a person's own, which they make and end; an operator's, everybody's."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from psycopg import Connection

from actionsight.settings import Settings
from tests.api.client import app_of, bearer
from tests.api.sign_in.browser import Browser

pytestmark = pytest.mark.integration

IN_A_MONTH = (datetime.now(UTC) + timedelta(days=30)).strftime("%Y-%m-%dT00:00:00Z")
WISH = {"name": "ci", "scopes": ["read"], "expires_at": IN_A_MONTH}


def rows(browser: Browser, path: str) -> list[dict[str, Any]]:
    response = browser.get(path)
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.get_json()["data"]
    return found


def make(browser: Browser, **changes: Any) -> Any:
    return browser.post("/tokens", json={**WISH, **changes}, headers=browser.csrf())


def test_a_person_makes_a_token_uses_it_sees_it_and_revokes_it(
    browser: Browser, connection: Connection[Any]
) -> None:
    browser.sign_in("ada")
    made = make(browser)
    assert made.status_code == 201
    shown = made.get_json()["data"]
    token = shown.pop("token")
    assert token.startswith("as_")
    assert (shown["name"], shown["scopes"], shown["login"]) == ("ci", ["read"], "ada")
    assert shown["expires_at"] == IN_A_MONTH

    client = browser.client
    [listed] = client.get("/tokens", headers=bearer(token)).get_json()["data"]
    assert listed["token_id"] == shown["token_id"] and "token" not in listed
    assert token not in connection.execute("select * from app.audit_log").fetchall().__repr__()

    browser.sign_in("ada")
    path = f"/tokens/{shown['token_id']}"
    assert browser._open("DELETE", path, headers={"Origin": browser.root}).status_code == 403
    headers = {"Origin": browser.root, **browser.csrf()}
    assert browser._open("DELETE", path, headers=headers).status_code == 204
    assert rows(browser, "/tokens")[0]["revoked_at"] is not None
    assert client.get("/tokens", headers=bearer(token)).status_code == 401
    actions = [row[0] for row in connection.execute("select action from app.audit_log")]
    assert actions.count("token.created") == actions.count("token.revoked") == 1


@pytest.mark.parametrize(
    ("changes", "parameter"),
    [
        ({"name": " "}, "name"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["all"]}, "scopes"),
        ({"expires_at": None}, "expires_at"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "2099-01-01T00:00:00Z"}, "expires_at"),
        ({"owner": "bob"}, "owner"),
    ],
)
def test_a_token_that_cannot_be_is_refused_with_what_would_do(
    browser: Browser, changes: dict[str, Any], parameter: str
) -> None:
    browser.sign_in("ada")
    response = make(browser, **changes)
    assert response.status_code == 400
    [error] = response.get_json()["errors"]
    assert error["parameter"] == parameter


def test_a_token_makes_no_other_one(browser: Browser) -> None:
    browser.sign_in("ada")
    token = make(browser, scopes=["manage"]).get_json()["data"]["token"]
    response = browser.client.post("/tokens", json=WISH, headers=bearer(token))
    assert response.status_code == 403


def test_others_tokens_and_sessions_are_not_there(app: Flask, browser: Browser) -> None:
    browser.sign_in("ada")
    token_id = make(browser).get_json()["data"]["token_id"]
    [session] = rows(browser, "/sessions")
    assert (session["login"], session["is_current"]) == ("ada", True)

    other = Browser(app)
    other.sign_in("bob")
    assert rows(other, "/tokens") == []
    assert [each["login"] for each in rows(other, "/sessions")] == ["bob"]
    headers = {"Origin": other.root, **other.csrf()}
    hidden = (f"/tokens/{token_id}", f"/sessions/{session['session_id']}")
    for path in (*hidden, "/sessions/none", "/sessions/%00"):
        assert other._open("DELETE", path, headers=headers).status_code == 404
    assert browser.me() is not None


def test_a_person_ends_a_session_elsewhere(app: Flask, browser: Browser) -> None:
    browser.sign_in("ada")
    elsewhere = Browser(app)
    elsewhere.sign_in("ada")
    by_current = {each["is_current"]: each for each in rows(browser, "/sessions")}
    path = f"/sessions/{by_current[False]['session_id']}"
    headers = {"Origin": browser.root, **browser.csrf()}
    assert browser._open("DELETE", path, headers=headers).status_code == 204
    assert elsewhere.me() is None
    assert browser.me() is not None


def test_an_operator_sees_and_ends_everybodys(settings: Settings) -> None:
    with app_of(replace(settings, operators=(1002,))) as app:
        ada, bob = Browser(app), Browser(app)
        ada.sign_in("ada")
        make(ada)
        bob.sign_in("bob")
        assert [each["login"] for each in rows(bob, "/tokens")] == ["ada"]
        sessions = {each["login"]: each for each in rows(bob, "/sessions")}
        assert sessions.keys() == {"ada", "bob"}
        headers = {"Origin": bob.root, **bob.csrf()}
        path = f"/sessions/{sessions['ada']['session_id']}"
        assert bob._open("DELETE", path, headers=headers).status_code == 204
        assert ada.me() is None
        [ended] = [each for each in rows(bob, "/audit") if each["action"] == "session.ended"]
        assert ended["login"] == "bob"
        assert ended["details"] == {"of_user_id": 1001}
        assert bob.get("/audit.csv").text.startswith("entry_id,happened_at,action")


def test_a_session_that_could_not_be_ended_is_not_noted_as_ended(
    browser: Browser, connection: Connection[Any]
) -> None:
    browser.sign_in("ada")
    [session] = rows(browser, "/sessions")
    headers = {"Origin": browser.root, **browser.csrf()}
    refuse = "alter table app.sessions add constraint refusing check (false) not valid"
    connection.execute(refuse)
    try:
        path = f"/sessions/{session['session_id']}"
        assert browser._open("DELETE", path, headers=headers).status_code == 500
    finally:
        connection.execute("alter table app.sessions drop constraint refusing")
    assert browser.me() is not None
    actions = [row[0] for row in connection.execute("select action from app.audit_log")]
    assert "session.ended" not in actions
