"""An installation whose people and repositories are those of GitHub's stand-in."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import redis
from flask import Flask
from flask.testing import FlaskClient
from psycopg import Connection

from actionsight.event_buffer import EventBuffer
from actionsight.settings import Settings
from github_standin.server.server import Server, serving
from github_standin.world.people import PERMISSIONS, User
from github_standin.world.world import World
from tests.api.marts import Marts
from tests.api.permissions.installation import (
    COLLECTOR,
    FIRST_ID,
    HOOK_SECRET,
    OPERATOR_ID,
    ROOT,
    Caller,
    Installation,
)
from tests.api.permissions.matrix import MONITORED, ROLES, RULED, SOURCE, Matrix


@pytest.fixture
def world() -> World:
    """Three public and four private repositories of octo, and one of nobody's installation."""
    world = World()
    world.people.register_app("Iv1.test", "secret of the client", [ROOT], slug="actionsight-octo")
    for place, (name, visibility) in enumerate(
        {
            "octo/open": "public",
            "octo/turned": "public",
            "octo/gone": "public",
            "octo/closed": "private",
            "octo/removed": "private",
            "octo/ruled": "private",
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
    github: Server,
    cache_url: str,
    redis_url: str,
) -> Settings:
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
def installation(
    app: Flask,
    settings: Settings,
    connection: Connection[Any],
    world: World,
    github: Server,
    marts: Marts,
) -> Iterator[Installation]:
    assert settings.redis_url is not None and settings.cache_url is not None
    buffer = EventBuffer(settings.redis_url)
    organisation = world.people.install(
        "octo", permissions={**PERMISSIONS, "repository_hooks": "write"}
    )
    with redis.Redis.from_url(settings.cache_url) as cache:
        yield Installation(
            app, settings, connection, world, github, buffer, cache, marts, organisation
        )
    buffer.close()


@pytest.fixture
def ada(installation: Installation) -> User:
    """A person with another role in each repository."""
    return installation.person(
        "ada",
        {
            "octo/open": "maintain",
            "octo/closed": "admin",
            "octo/spare": "admin",
            "octo/removed": "write",
        },
    )


@pytest.fixture
def caller(installation: Installation, ada: User) -> Caller:
    """Ada, signed in."""
    return installation.signed_in(ada)


@pytest.fixture
def operator(installation: Installation) -> Caller:
    """A token of the command line."""
    return installation.with_token(None)


@pytest.fixture
def open_id(installation: Installation) -> int:
    """octo/open, monitored."""
    return installation.monitor("octo/open")


@pytest.fixture
def closed_id(installation: Installation) -> int:
    """octo/closed, monitored."""
    return installation.monitor("octo/closed")


@pytest.fixture
def reader(installation: Installation, open_id: int, closed_id: int) -> User:
    """A person who reads octo/closed; it and octo/open are monitored."""
    return installation.person("reader", {"octo/closed": "read"})


@pytest.fixture
def browser(installation: Installation, reader: User) -> Caller:
    """The reader, signed in."""
    return installation.signed_in(reader)


@pytest.fixture
def matrix(installation: Installation) -> Matrix:
    """Everybody, over what is monitored."""
    # Thousands of answers: that each is what the document says is seen elsewhere.
    installation.app.test_client_class = FlaskClient
    source = installation.identity(SOURCE)
    ids = {
        name: installation.monitor(name, source=source if name == RULED else None)
        for name in MONITORED
    }
    ids["octo/spare"] = installation.identity("octo/spare")
    callers = {"anonymous": installation.anonymous()}
    for name in ("outsider", "reader", "maintainer", "revoked"):
        user = installation.person(name, ROLES.get(name))
        callers[name] = installation.signed_in(user)
        possessive = "revoked one's" if name == "revoked" else f"{name}'s"
        callers[f"{possessive} token"] = installation.with_token(user)
    operator = installation.person("operator", user_id=OPERATOR_ID)
    callers["operator"] = installation.signed_in(operator)
    callers["operator's token"] = installation.with_token(operator)
    callers["revoked token"] = installation.with_token(None)
    installation.connection.execute(
        "update app.api_tokens set revoked_at = now() where user_id is null"
    )
    callers["token of the command line"] = installation.with_token(None)
    return Matrix(installation, ids, callers)
