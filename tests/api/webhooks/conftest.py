"""An application that receives webhooks."""

import pytest
from flask import Flask

from actionsight.settings import Settings
from tests.api.webhooks.counted import Counted, counts_of
from tests.api.webhooks.deliveries import NO_DATABASE_URL, OLD_SECRET, SECRET
from tests.support.installation import settings_of


@pytest.fixture
def settings(redis_url: str) -> Settings:
    """Two secrets, the new and the old one, as while they are rotated."""
    return settings_of(
        NO_DATABASE_URL, redis_url=redis_url, github_webhook_secret=(SECRET, OLD_SECRET)
    )


@pytest.fixture
def counted(app: Flask) -> Counted:
    return lambda: counts_of(app)
