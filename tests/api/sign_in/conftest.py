"""An application where people sign in, and GitHub's stand-in with people."""

from collections.abc import Iterator

import pytest
from flask import Flask

from actionsight.settings import Settings
from github_standin.server.server import Server, serving
from github_standin.world.world import World
from tests.api.sign_in.browser import (
    CALLBACK,
    CLIENT_ID,
    CLIENT_SECRET,
    ROOT,
    Browser,
    with_sign_in,
)


@pytest.fixture
def world() -> World:
    """Ada and Bob, and an App that knows one address to return to."""
    world = World()
    world.people.register_app(CLIENT_ID, CLIENT_SECRET, [ROOT + CALLBACK])
    world.people.add_user("ada", user_id=1001, name="Ada Lovelace")
    world.people.add_user("bob", user_id=1002)
    return world


@pytest.fixture
def github(world: World) -> Iterator[Server]:
    with serving(world) as server:
        yield server


@pytest.fixture
def settings(settings: Settings, github: Server) -> Settings:
    return with_sign_in(settings, github.url)


@pytest.fixture
def browser(app: Flask) -> Browser:
    return Browser(app)
