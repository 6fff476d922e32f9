"""An installation whose people and repositories are those of GitHub's stand-in."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from psycopg import Connection

from actionsight.event_buffer import EventBuffer
from actionsight.settings import Settings
from github_standin.people import PERMISSIONS
from github_standin.server import Server, serving
from github_standin.world import World
from tests.api.marts import Marts
from tests.api.rights.house import COLLECTOR, FIRST_ID, HOOK_SECRET, OPERATOR_ID, ROOT, House


@pytest.fixture
def world() -> World:
    """Three public and three private repositories of octo, and one of nobody's installation."""
    world = World()
    world.people.register_app("Iv1.test", "secret of the client", [ROOT], slug="actionsight-octo")
    for place, (name, visibility) in enumerate(
        {
            "octo/open": "public",
            "octo/turned": "public",
            "octo/gone": "public",
            "octo/closed": "private",
            "octo/removed": "private",
            "octo/spare": "private",
        }.items(),
        start=1,
    ):
        world.add_repository(name, repository_id=FIRST_ID + place, visibility=visibility)
    return world


@pytest.fixture
def github(world: World) -> Iterator[Server]:
    with serving(world, token=COLLECTOR, administers_hooks=True) as server:
        yield server


@pytest.fixture
def settings(
    settings: Settings,
    connection: Connection[Any],
    github: Server,
    cache_url: str,
    redis_url: str,
) -> Settings:
    connection.execute("truncate app.users, app.audit_log cascade")
    return replace(
        settings,
        cache_url=cache_url,
        redis_url=redis_url,
        github_url=github.url,
        github_api_url=github.url,
        github_token=COLLECTOR,
        github_client_id="Iv1.test",
        github_client_secret="secret of the client",
        github_webhook_secret=(HOOK_SECRET,),
        secret_key="0123456789abcdef0123456789abcdef",
        operators=(OPERATOR_ID,),
    )


@pytest.fixture
def house(
    app: Flask,
    settings: Settings,
    connection: Connection[Any],
    world: World,
    github: Server,
    marts: Marts,
) -> Iterator[House]:
    assert settings.redis_url is not None
    buffer = EventBuffer(settings.redis_url)
    organisation = world.people.install(
        "octo", permissions={**PERMISSIONS, "repository_hooks": "write"}
    )
    yield House(app, settings, connection, world, github, buffer, marts, organisation)
    buffer.close()
