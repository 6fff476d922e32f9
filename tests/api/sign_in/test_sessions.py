"""A session lasts as long as it should, and ends when it must."""

from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString

import pytest
from flask import Flask
from psycopg import Connection

from actionsight import people
from actionsight.encryption import hash_of
from api.auth import sessions
from api.auth.sessions import find_session
from github_standin.server.server import Break, Server
from tests.api.sign_in.browser import Browser

pytestmark = pytest.mark.integration


def test_a_session_is_found_by_its_cookie_alone(
    browser: Browser, connection: Connection[Any]
) -> None:
    browser.sign_in("ada")
    cookie = browser.cookie("session") or ""
    session = find_session(connection, cookie)
    assert session is not None
    assert (session.user_id, session.login) == (1001, "ada")
    assert session.session_hash == hash_of(cookie)
    assert session.rights_invalid_before == datetime(1970, 1, 1, tzinfo=UTC)
    for other in ("", cookie[:-1], cookie + "x", cookie.swapcase(), "\udcff", "é"):
        assert find_session(connection, other) is None


def test_a_session_says_since_when_rights_count(
    browser: Browser, connection: Connection[Any]
) -> None:
    browser.sign_in("ada")
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    connection.execute("update app.users set rights_invalid_before = %s", [moment])
    session = find_session(connection, browser.cookie("session") or "")
    assert session is not None and session.rights_invalid_before == moment


@pytest.mark.parametrize(
    ("column", "age", "is_open"),
    [
        ("last_seen_at", timedelta(days=13, hours=23), True),
        ("last_seen_at", timedelta(days=14, seconds=1), False),
        ("expires_at", timedelta(days=29, hours=23), True),
        ("expires_at", timedelta(days=30, seconds=1), False),
    ],
)
def test_a_session_ends_when_it_is_idle_or_old(
    browser: Browser,
    connection: Connection[Any],
    column: LiteralString,
    age: timedelta,
    is_open: bool,
) -> None:
    browser.sign_in("ada")
    connection.execute(f"update app.sessions set {column} = {column} - %s", [age])  # noqa: S608 a name of ours
    assert (browser.me() is not None) is is_open


def test_sessions_that_expired_do_not_gather(
    browser: Browser, app: Flask, connection: Connection[Any]
) -> None:
    browser.sign_in("ada")
    connection.execute("update app.sessions set expires_at = now() - interval '1 second'")
    Browser(app).sign_in("bob")
    assert connection.execute("select user_id from app.sessions").fetchall() == [(1002,)]


def test_me_says_when_the_session_ends(browser: Browser, connection: Connection[Any]) -> None:
    browser.sign_in("ada")
    ends_at = datetime.fromisoformat(browser.me()["expires_at"])
    assert abs(ends_at - datetime.now(UTC) - sessions.IDLE) < timedelta(minutes=1)
    connection.execute("update app.sessions set expires_at = now() + interval '1 day'")
    ends_at = datetime.fromisoformat(browser.me()["expires_at"])
    assert abs(ends_at - datetime.now(UTC) - timedelta(days=1)) < timedelta(minutes=1)


def test_the_use_of_a_session_is_noted_at_most_once_a_minute(
    browser: Browser, connection: Connection[Any]
) -> None:
    def seen() -> list[Any]:
        return connection.execute(
            "select s.last_seen_at, u.last_seen_at from app.sessions as s join app.users as u "
            "using (user_id)"
        ).fetchall()

    browser.sign_in("ada")
    first = seen()
    browser.me()
    assert seen() == first
    connection.execute("update app.sessions set last_seen_at = now() - interval '61 seconds'")
    connection.execute("update app.users set last_seen_at = now() - interval '61 seconds'")
    browser.me()
    assert all(later >= earlier for later, earlier in zip(seen()[0], first[0], strict=True))


def test_all_sessions_of_a_person_end_and_nobody_elses(
    browser: Browser, app: Flask, connection: Connection[Any]
) -> None:
    laptop, of_bob = Browser(app), Browser(app)
    for each, login in ((browser, "ada"), (laptop, "ada"), (of_bob, "bob")):
        each.sign_in(login)
    people.remove(connection, 1001)
    ended = connection.execute(
        "select count(*) from app.sessions where user_id = 1001 and ended_at is not null"
    ).fetchone()
    assert ended == (2,)
    assert (browser.me(), laptop.me()) == (None, None)
    assert of_bob.me()["login"] == "bob"


def test_who_signs_out_is_signed_out_here_and_at_github(
    browser: Browser, app: Flask, github: Server, connection: Connection[Any]
) -> None:
    laptop = Browser(app)
    laptop.sign_in("ada")
    browser.sign_in("ada")
    session = browser.cookie("session") or ""
    response = browser.sign_out()
    assert (response.status_code, response.data) == (204, b"")
    assert (browser.cookie("session"), browser.cookie("csrf")) == (None, None)
    browser.client.set_cookie("session", session, domain="127.0.0.1")
    assert browser.me() is None, "the session itself has ended, not only the cookie"
    (ended,) = [logged for logged in github.requests if logged.method == "DELETE"]
    assert (ended.status, ended.path) == (204, "/applications/Iv1.actionsight/token")
    assert laptop.me()["login"] == "ada", "the other browser stays signed in"
    kept = connection.execute(
        "select access_token, refresh_token from app.sign_in_grants where revoked_at is not null"
    ).fetchall()
    assert kept == [(b"", None)], "no token is kept that serves nobody"
    assert _audited(connection) == [{"reason": "signed out", "is_token_revoked_at_github": True}]


def test_who_signs_out_twice_is_told_that_nobody_is_signed_in(browser: Browser) -> None:
    browser.sign_in("ada")
    browser.sign_out()
    response = browser.sign_out()
    assert response.status_code == 401
    assert response.json is not None
    assert "POST /login" in response.json["detail"]


def test_who_signs_out_while_github_is_away_is_signed_out_all_the_same(
    browser: Browser,
    github: Server,
    connection: Connection[Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    browser.sign_in("ada")
    session = browser.cookie("session") or ""
    github.fault = lambda _: Break()
    assert browser.sign_out().status_code == 204
    browser.client.set_cookie("session", session, domain="127.0.0.1")
    assert browser.me() is None
    assert "not revoked at GitHub" in caplog.text
    assert _audited(connection) == [{"reason": "signed out", "is_token_revoked_at_github": False}]


def test_a_token_that_expired_meanwhile_is_revoked_too(
    browser: Browser, github: Server, connection: Connection[Any]
) -> None:
    """GitHub revokes no expired token; its refresh token would live on for half a year."""
    browser.sign_in("ada")
    people = github.world.people
    people.expire_tokens(people.users[1001])
    connection.execute("update app.sign_in_grants set access_expires_at = now()")
    assert browser.sign_out().status_code == 204
    (ended,) = [logged for logged in github.requests if logged.method == "DELETE"]
    assert ended.status == 204


def _audited(connection: Connection[Any]) -> list[Any]:
    rows = connection.execute(
        "select details from app.audit_log where action = 'sign_in.ended' and user_id = 1001"
    ).fetchall()
    return [details for (details,) in rows]
