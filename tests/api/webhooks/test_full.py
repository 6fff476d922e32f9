"""A buffer without room keeps what is acknowledged, and refuses more until there is some."""

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis

from actionsight import disk
from actionsight.event_buffer import READING_SECONDS
from actionsight.settings import Settings
from tests.api.client import ValidatingClient, client_of
from tests.api.marts import Marts
from tests.api.prometheus.exposition import scrape
from tests.api.webhooks.counted import Counted, counts_of
from tests.api.webhooks.deliveries import BODY, PATH, buffered, headers

pytestmark = pytest.mark.integration

PATIENCE_SECONDS = 30


@pytest.fixture
def server(redis_url: str) -> Iterator["redis.Redis"]:
    """The buffer's server, to set its bound; without one again afterwards."""
    with redis.Redis.from_url(redis_url) as client:
        yield client
        client.config_set("maxmemory", 0)


def fill(server: "redis.Redis", share: float) -> None:
    """Let its bound be such that this share of it is used."""
    server.config_set("maxmemory", int(server.info("memory")["used_memory"] / share))


def deliver(client: ValidatingClient) -> Any:
    return client.post(PATH, data=BODY, headers=headers(BODY))


def wait_for(status: int, answer: Callable[[], Any]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while answer().status_code != status:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_at_nine_tenths_it_refuses_and_by_itself_it_takes_again(
    client: ValidatingClient, counted: Counted, server: "redis.Redis", redis_url: str
) -> None:
    fill(server, 0.5)
    assert deliver(client).status_code == 202
    fill(server, 0.95)
    wait_for(503, lambda: deliver(client))
    refused = deliver(client)
    assert refused.headers["Retry-After"] == "5"
    assert "full" in refused.text
    assert set(counted()["refused"]) == {"buffer_full"}
    kept = len(buffered(redis_url))
    fill(server, 0.5)
    wait_for(202, lambda: deliver(client))
    assert len(buffered(redis_url)) == kept + 1


def test_a_write_that_the_server_refuses_is_a_refusal_too(
    client: ValidatingClient, counted: Counted, server: "redis.Redis", redis_url: str
) -> None:
    assert deliver(client).status_code == 202
    server.config_set("maxmemory", 1)
    assert deliver(client).status_code == 503
    assert counted()["refused"] == {"buffer_full": 1}
    server.config_set("maxmemory", 0)
    assert len(buffered(redis_url)) == 1


def test_to_know_how_full_it_is_costs_a_question_a_second(
    client: ValidatingClient, server: "redis.Redis"
) -> None:
    server.config_resetstat()
    began = time.monotonic()
    for _ in range(50):
        assert deliver(client).status_code == 202
    questions = server.info("commandstats")["cmdstat_info"]["calls"]
    assert questions <= 1 + (time.monotonic() - began) / READING_SECONDS


def test_readiness_and_metrics_tell_what_is_used_and_what_may_be(
    marts: Marts, database_url: str, settings: Settings, server: "redis.Redis"
) -> None:
    own = replace(settings, database_url=database_url, read_database_url=database_url)
    fill(server, 0.95)
    limit = int(server.config_get("maxmemory")["maxmemory"] or 0)
    with client_of(own) as client:
        body: Any = client.get("/readyz").json
        page = scrape(client)
    assert body["event_buffer"]["status"] == "full"
    assert body["event_buffer"]["memory_limit_bytes"] == limit
    assert 0.9 * limit < body["event_buffer"]["memory_bytes"]
    assert page.value("actionsight_event_buffer_up") == 1
    assert page.value("actionsight_event_buffer_memory_limit_bytes") == limit
    assert page.value("actionsight_disk_limit_bytes") == body["disk"]["limit_bytes"]
    used = page.value("actionsight_event_buffer_memory_bytes")
    assert used is not None and used > 0.9 * limit


def test_on_a_disk_that_is_nearly_full_it_refuses_until_there_is_room(
    settings: Settings, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "events").write_bytes(bytes(1_000_000))
    left = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(disk, "READING_SECONDS", -1.0)
    with client_of(replace(settings, data_dir=tmp_path)) as client:
        assert deliver(client).status_code == 202
        with monkeypatch.context() as full:
            full.setattr(disk.shutil, "disk_usage", lambda _: left._replace(free=50_000))
            refused = deliver(client)
            assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
            assert "disk" in refused.text
            assert counts_of(client.application)["refused"] == {"disk_full": 1}
        assert deliver(client).status_code == 202
    assert len(buffered(redis_url)) == 2
