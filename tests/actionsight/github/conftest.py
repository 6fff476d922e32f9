"""An installation's credential router to the stand-in, on time that passes when somebody sleeps."""

import dataclasses
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from actionsight.github.client import GitHubClient
from actionsight.github.credential_router import CredentialRouter
from actionsight.github.rate_limit.models import Priority
from actionsight.github.retries import RetryPolicy
from actionsight.settings import Settings, load
from github_standin.server.server import Server, serving
from github_standin.world.people import APP_ID
from github_standin.world.world import World
from tests.actionsight.github.factories import REPOSITORY, TOKEN, Faults, Time

MakeRouter = Callable[..., CredentialRouter]


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
def server(faults: Faults) -> Iterator[Server]:
    world = World()
    repository = world.add_repository(REPOSITORY)
    for number in range(110):
        world.add_workflow(repository, f"Workflow {number}", path=f".github/workflows/{number}.yml")
    with serving(world, token=TOKEN, fault=faults) as running:
        yield running


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def retry_policy(time: Time) -> RetryPolicy:
    return RetryPolicy(tries=3, longest_wait_seconds=100, sleep=time.sleep, clock=time.clock)


@pytest.fixture
def asked(server: Server, cache_url: str) -> Settings:
    """What the settings of an installation say of GitHub."""
    return dataclasses.replace(
        load(environ={}),
        github_api_url=server.url,
        github_token=TOKEN,
        cache_url=cache_url,
        secret_key="k" * 32,
    )


@pytest.fixture
def make_router(asked: Settings, retry_policy: RetryPolicy) -> Iterator[MakeRouter]:
    """Makes routers, as many as processes would."""
    made: list[CredentialRouter] = []

    def make(settings: Settings = asked, **options: Any) -> CredentialRouter:
        options.setdefault("retry_policy", retry_policy)
        made.append(CredentialRouter(settings, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture(scope="session")
def key() -> tuple[str, str]:
    """The App's private and public key."""
    made = rsa.generate_private_key(65_537, 2_048)
    private = made.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    public = made.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private.decode(), public.decode()


@pytest.fixture(scope="session")
def other_key() -> str:
    """A private key that is not the App's."""
    made = rsa.generate_private_key(65_537, 2_048)
    return made.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    ).decode()


@pytest.fixture
def world(time: Time, key: tuple[str, str]) -> World:
    """Private repositories and an App; GitHub's clock is the tests' and weeks off the machine's."""

    def now() -> datetime:
        return datetime.fromtimestamp(time.now, UTC)

    world = World(now)
    for name in ("octo/app", "octo/lib", "hub/site"):
        world.add_repository(name, visibility="private")
    world.add_repository("free/tool")
    world.people.register_app("client", "secret", [], public_key=key[1])
    return world


@pytest.fixture
def app_server(world: World) -> Iterator[Server]:
    with serving(world, token=TOKEN) as running:
        yield running


@pytest.fixture
def app(app_server: Server, cache_url: str, key: tuple[str, str]) -> Settings:
    """The settings of an installation that asks as the App alone."""
    return dataclasses.replace(
        load(environ={}),
        github_api_url=app_server.url,
        github_app_id=str(APP_ID),
        github_app_private_key=key[0].strip(),
        cache_url=cache_url,
        secret_key="k" * 32,
    )


@pytest.fixture
def make_app_router(make_router: MakeRouter, app: Settings) -> MakeRouter:
    """Makes routers as the App."""
    return lambda settings=app, **options: make_router(settings, **options)


@pytest.fixture
def client(make_router: MakeRouter) -> GitHubClient:
    return make_router().client(REPOSITORY, Priority.HEAD)
