"""An installation that gets webhooks of one monitored repository."""

from collections.abc import Iterator

import pytest

from actionsight.event_buffer import EventBuffer
from actionsight.settings import Settings
from tests.ingestion.webhooks.factories import REPOSITORY_ID, Installation


@pytest.fixture
def webhooks(settings: Settings) -> Iterator[Installation]:
    assert settings.redis_url is not None
    buffer = EventBuffer(settings.redis_url)
    installation = Installation(settings, buffer)
    installation.monitor(REPOSITORY_ID)
    yield installation
    buffer.close()
