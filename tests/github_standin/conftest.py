"""What all recordings hold, for tests that only read it."""

from datetime import UTC, datetime

import pytest

from github_standin.histories import recording
from github_standin.webhooks.deliveries import Delivery, deliveries_between
from github_standin.world.world import World


@pytest.fixture(scope="session")
def recorded_world() -> World:
    """Every recording, as it happened."""
    world = World()
    recording.load_all(world)
    return world


@pytest.fixture(scope="session")
def recorded_deliveries(recorded_world: World) -> list[Delivery]:
    """All that webhooks ever told of the recordings."""
    return deliveries_between(
        recorded_world, datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
    )
