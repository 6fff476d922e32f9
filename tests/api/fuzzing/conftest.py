"""Fixtures: an application that has all that its routes need, so that none has an excuse."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask

from actionsight.settings import Settings
from api import rate_limits
from api.dashboard import views
from tests.support.installation import application


@pytest.fixture
def settings(settings: Settings, redis_url: str, cache_url: str) -> Settings:
    return replace(
        settings,
        redis_url=redis_url,
        cache_url=cache_url,
        github_webhook_secret=("0123456789abcdef",),
        github_client_id="Iv1.actionsight",
        github_client_secret="client-secret-of-the-app",
        secret_key="0123456789abcdef0123456789abcdef",
    )


@pytest.fixture
def app(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    """Without our own client, which sends what clients send, and judges answers by itself; for
    requests that are counted, however many they are."""
    for name in ("ADDRESS", "AUTHENTICATED", "ANONYMOUS", "SIGN_IN"):
        policy = getattr(rate_limits, name)
        monkeypatch.setattr(rate_limits, name, replace(policy, quota=1_000_000))
    (tmp_path / "index.html").write_text("<!doctype html><title>Actionsight</title>")
    monkeypatch.setattr(views, "BUNDLE", tmp_path)
    with application(settings) as app:
        yield app
