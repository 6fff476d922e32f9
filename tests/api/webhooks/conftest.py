"""An application that receives webhooks."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask import Flask

from actionsight.settings import Settings, load
from tests.api.client import ValidatingClient, app_of, make_client
from tests.api.webhooks.counted import Counted, counts_of
from tests.api.webhooks.deliveries import NO_DATABASE_URL, OLD_SECRET, SECRET


@pytest.fixture
def settings(redis_url: str) -> Settings:
    """Two secrets, the new and the old one, as while they are rotated."""
    return replace(
        load(environ={}),
        database_url=NO_DATABASE_URL,
        redis_url=redis_url,
        github_webhook_secret=(SECRET, OLD_SECRET),
    )


@pytest.fixture
def app(settings: Settings) -> Iterator[Flask]:
    with app_of(settings) as app:
        yield app


@pytest.fixture
def client(app: Flask) -> ValidatingClient:
    return make_client(app)


@pytest.fixture
def counted(app: Flask) -> Counted:
    return lambda: counts_of(app)
