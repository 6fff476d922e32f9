"""A person's token: decrypted, refreshed once however many ask, ended when GitHub refuses."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Barrier
from typing import Any

import pytest
from flask import Flask
from psycopg import Connection
from werkzeug.wrappers import Request, Response

from actionsight.encryption import Cipher
from actionsight.github.errors import BadCredentialError, ClientRefusedError, UnavailableError
from actionsight.github.oauth import OAuthClient
from actionsight.settings import Settings
from api.auth import grants
from api.auth.grants import GrantEndedError
from api.database import Database
from api.github import oauth_of
from github_standin.server.server import Break, Server
from github_standin.world.world import World
from tests.api.sign_in.browser import CLIENT_ID, SECRET_KEY, Browser

pytestmark = pytest.mark.integration

TOKENS = "/login/oauth/access_token"


@dataclass
class Asking:
    """Asks for the token of the one grant."""

    oauth: OAuthClient
    database: Database
    grant_id: int
    cipher: Cipher

    def token(self) -> str:
        return grants.access_token(self.database, self.cipher, self.oauth, self.grant_id)

    def refused(self, token: str) -> None:
        grants.note_refusal(self.database, self.cipher, self.grant_id, token)


@pytest.fixture
def asking(browser: Browser, settings: Settings, connection: Connection[Any], app: Flask) -> Asking:
    browser.sign_in("ada")
    row = connection.execute("select grant_id from app.sign_in_grants").fetchone()
    assert row is not None
    return Asking(oauth_of(app), app.extensions["database"], row[0], Cipher(SECRET_KEY))


def age(connection: Connection[Any], seconds_left: int) -> None:
    """Let the access token have so long to live, as far as we know."""
    connection.execute(
        "update app.sign_in_grants set access_expires_at = now() + make_interval(secs => %s)",
        [seconds_left],
    )


def test_a_token_that_lives_is_given_without_asking_github(
    asking: Asking, github: Server, settings: Settings
) -> None:
    asked = len(github.requests)
    token = asking.token()
    assert token == asking.token()
    assert len(github.requests) == asked
    assert asking.oauth.read_account(token).user_id == 1001


def test_a_token_about_to_expire_is_refreshed(
    asking: Asking, connection: Connection[Any], settings: Settings
) -> None:
    old = asking.token()
    age(connection, 299)
    new = asking.token()
    assert new != old
    assert asking.oauth.read_account(new).user_id == 1001
    assert asking.token() == new, "eight hours are left again"


def test_many_requests_refresh_a_token_once(
    asking: Asking, github: Server, connection: Connection[Any]
) -> None:
    age(connection, 0)
    count = 8
    together = Barrier(count)

    def ask(_: int) -> str:
        together.wait(timeout=20)
        return asking.token()

    with ThreadPoolExecutor(count) as threads:
        tokens = set(threads.map(ask, range(count)))
    assert len(tokens) == 1
    assert github.paths().count(TOKENS) == 2, "the sign-in's and one refresh"


def test_nothing_is_held_in_the_database_while_github_is_asked(
    asking: Asking,
    github: Server,
    connection: Connection[Any],
    browser: Browser,
    settings: Settings,
) -> None:
    """Whoever signs out meanwhile waits for nobody, and what GitHub gave is ended there."""
    held: list[Any] = []
    given: list[str] = []

    def look(request: Request) -> Response | None:
        if request.path != TOKENS:
            return None
        response = github.answer(request)
        given.append(json.loads(response.get_data())["access_token"])
        held.extend(
            connection.execute(
                """
                select query from pg_stat_activity
                where datname = current_database() and state like 'idle in transaction%'
                """
            ).fetchall()
        )
        assert browser.sign_out().status_code == 204
        return response

    age(connection, 60)
    github.fault = look
    with pytest.raises(GrantEndedError):
        asking.token()
    assert held == []
    (new,) = given
    with pytest.raises(BadCredentialError):
        asking.oauth.read_account(new)


def test_while_somebody_refreshes_a_token_that_lives_serves(
    asking: Asking, connection: Connection[Any], github: Server
) -> None:
    age(connection, 60)
    connection.execute("update app.sign_in_grants set refresh_started_at = now()")
    assert asking.token()
    assert github.paths().count(TOKENS) == 1
    connection.execute(
        "update app.sign_in_grants set refresh_started_at = now() - interval '31 seconds'"
    )
    assert asking.token()
    assert github.paths().count(TOKENS) == 2, "whoever began it is gone"


def test_a_grant_that_github_ended_ends_its_session_when_it_is_refreshed(
    asking: Asking, browser: Browser, world: World, connection: Connection[Any]
) -> None:
    world.people.revoke_authorization(world.people.users[1001])
    assert browser.me() is not None
    age(connection, 0)
    with pytest.raises(GrantEndedError):
        asking.token()
    assert browser.me() is None
    assert connection.execute(
        "select access_token, refresh_token, revoked_at is not null from app.sign_in_grants"
    ).fetchall() == [(b"", None, True)]
    (entry,) = connection.execute(
        "select user_id, details from app.audit_log where action = 'sign_in.ended'"
    ).fetchall()
    assert entry == (1001, {"reason": "refused by GitHub", "session_count": 1})
    with pytest.raises(GrantEndedError):
        asking.token()


def test_a_token_that_github_refuses_before_it_expires_ends_the_session(
    asking: Asking, browser: Browser, world: World
) -> None:
    token = asking.token()
    world.people.revoke_token(token)
    with pytest.raises(GrantEndedError):
        asking.refused(token)
    assert browser.me() is None


def test_a_token_that_was_refreshed_meanwhile_is_worth_another_try(
    asking: Asking, browser: Browser, connection: Connection[Any], settings: Settings
) -> None:
    """GitHub ends the old token with the refresh: who still held it must not end the session."""
    old = asking.token()
    age(connection, 0)
    asking.token()
    asking.refused(old)
    assert browser.me() is not None
    assert asking.oauth.read_account(asking.token()).user_id == 1001


def test_while_github_is_away_a_token_serves_until_it_expires(
    asking: Asking, github: Server, connection: Connection[Any], browser: Browser
) -> None:
    token = asking.token()
    github.fault = lambda _: Break()
    age(connection, 60)
    assert asking.token() == token
    age(connection, 0)
    with pytest.raises(UnavailableError):
        asking.token()
    github.fault = None
    assert browser.me() is not None, "nobody is signed out because GitHub is away"
    assert asking.token() != token


def test_a_refresh_token_is_sent_once_although_the_answer_is_lost(
    asking: Asking, github: Server, connection: Connection[Any]
) -> None:
    """It serves once, and whether it did cannot be told."""
    age(connection, 0)
    github.fault = lambda _: Response("down", status=502)
    with pytest.raises(UnavailableError):
        asking.token()
    assert github.paths().count(TOKENS) == 2, "the sign-in's and one refresh"


def test_a_wrong_client_secret_signs_nobody_out(
    asking: Asking, world: World, connection: Connection[Any], browser: Browser
) -> None:
    world.people.register_app(CLIENT_ID, "another secret", [])
    age(connection, 0)
    with pytest.raises(ClientRefusedError):
        asking.token()
    assert browser.me() is not None


def test_a_token_without_a_refresh_token_serves_until_it_expires(
    asking: Asking, connection: Connection[Any]
) -> None:
    connection.execute("update app.sign_in_grants set refresh_token = null")
    age(connection, 60)
    assert asking.token()
    age(connection, 0)
    with pytest.raises(GrantEndedError):
        asking.token()


def test_a_token_that_never_expires_is_never_refreshed(
    asking: Asking, connection: Connection[Any], github: Server
) -> None:
    connection.execute("update app.sign_in_grants set access_expires_at = null")
    assert asking.token()
    assert github.paths().count(TOKENS) == 1


def test_under_another_secret_key_a_person_signs_in_again(
    asking: Asking, connection: Connection[Any]
) -> None:
    asking.cipher = Cipher("another key of thirty-two letters")
    with pytest.raises(GrantEndedError):
        asking.token()
    (entry,) = connection.execute(
        "select details ->> 'reason' from app.audit_log where action = 'sign_in.ended'"
    ).fetchall()
    assert entry == ("encrypted with another secret key",)
