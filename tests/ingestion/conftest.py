"""An installation that collects from the stand-in."""

from collections.abc import Iterator

import pytest

from actionsight.settings import Settings
from tests.ingestion.factories import Installation, installation


@pytest.fixture
def own(settings: Settings) -> Iterator[Installation]:
    with installation(settings) as made:
        yield made
