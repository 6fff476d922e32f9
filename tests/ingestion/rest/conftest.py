"""An installation's access to the stand-in, on time that passes when somebody sleeps."""

import dataclasses
from collections.abc import Callable, Iterator

import pytest

from actionsight.settings import Settings, load
from github_standin.server import Server, serving
from github_standin.world import World
from ingestion.github.rest.access import Access, access
from ingestion.github.rest.budget import Priority
from ingestion.github.rest.client import Asker, Patience
from tests.ingestion.rest.asking import REPOSITORY, TOKEN, Faults, Time

Reach = Callable[..., Access]


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
def patience(time: Time) -> Patience:
    return Patience(tries=3, longest_wait_seconds=100, sleep=time.sleep, clock=time.clock)


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
def reach(asked: Settings, patience: Patience) -> Iterator[Reach]:
    """Makes accesses, as many as processes would."""
    made: list[Access] = []

    def make(settings: Settings = asked, **options: object) -> Access:
        made.append(access(settings, **{"patience": patience, **options}))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def asker(reach: Reach) -> Asker:
    return reach().asker(REPOSITORY, Priority.HEAD)
