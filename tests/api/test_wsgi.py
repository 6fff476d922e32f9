"""What the server hands on with every request holds no secret."""

import importlib
import sys
from collections.abc import Callable
from typing import Any

import pytest
from granian.wsgi import _callback_wrapper

from actionsight import api_server
from actionsight.settings import API, Settings

pytestmark = pytest.mark.integration

CLOUD_KEY = "a-key-of-some-cloud"


class Protocol:
    def response_bytes(self, *_: object) -> None:
        pass


def test_no_secret_stands_in_the_environment_that_granian_copies(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", CLOUD_KEY)
    told = settings.environment(API) | {"ACTIONSIGHT_SECRET_KEY": "k" * 32, "TZ": "UTC"}
    given = api_server.kept({"AWS_SECRET_ACCESS_KEY": CLOUD_KEY, "https_proxy": "http://p", **told})
    assert given["https_proxy"] == "http://p"
    assert CLOUD_KEY not in given.values()
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delitem(sys.modules, "api.wsgi", raising=False)
    importlib.import_module("api.wsgi")
    seen: dict[str, Any] = {}

    def application(environ: dict[str, Any], _start: Callable[..., Any]) -> list[bytes]:
        seen.update(environ)
        return [b""]

    _callback_wrapper(application, {})(Protocol(), {})
    assert seen["SERVER_SOFTWARE"] == "Granian"
    assert seen["TZ"] == "UTC"
    password = str(settings.database_url).partition("@")[0].rpartition(":")[2]
    for value in seen.values():
        assert password not in str(value)
        assert "k" * 32 not in str(value)
