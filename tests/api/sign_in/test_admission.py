"""Who may sign in: people for whom GitHub lists an installation of the App, and operators."""

from dataclasses import replace
from typing import Any

import pytest
from psycopg import Connection
from werkzeug.wrappers import Response

from actionsight.settings import Settings
from github_standin.server.server import Server
from github_standin.world.world import World
from tests.api.sign_in.browser import Browser

pytestmark = pytest.mark.integration

OPERATOR_ID = 1002


@pytest.fixture
def settings(settings: Settings, world: World) -> Settings:
    """Bob is an operator. The App is installed on octo, where Ada has a role and Eve has none."""
    world.add_repository("octo/app", visibility="private")
    world.add_repository("octo/open", visibility="public")
    world.people.set_role(world.people.users[1001], "octo/app", "read")
    world.people.add_user("eve", user_id=1003)
    world.people.install("octo")
    return replace(settings, sign_in="installed", operators=(OPERATOR_ID,))


@pytest.mark.parametrize("login", ["ada", "bob"])
def test_whom_an_installation_is_listed_for_and_operators_may_sign_in(
    browser: Browser, login: str
) -> None:
    browser.sign_in(login)
    assert browser.me()["login"] == login


def test_a_stranger_is_refused_and_nothing_of_them_is_kept(
    browser: Browser, connection: Connection[Any], github: Server, world: World
) -> None:
    refused = browser.get(browser.consent(browser.begin(), "eve"))
    assert refused.status_code == 403
    assert "ACTIONSIGHT_SIGN_IN" in refused.text
    assert browser.me() is None
    assert connection.execute("select * from app.users").fetchall() == []
    assert connection.execute("select * from app.sessions").fetchall() == []
    assert github.requests[-1].method == "DELETE", "her token is ended at GitHub"
    world.people.install(world.people.users[1003].account)
    browser.sign_in("eve")


def test_where_github_cannot_be_asked_nobody_is_let_in(browser: Browser, github: Server) -> None:
    back = browser.consent(browser.begin(), "ada")
    github.fault = lambda request: (
        Response("", 502) if request.path == "/user/installations" else None
    )
    assert browser.get(back).status_code == 503
    assert browser.me() is None
