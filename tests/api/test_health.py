"""GET /healthz and /readyz."""

import time
from dataclasses import replace
from typing import Any
from unittest.mock import Mock

import pytest
from psycopg import Connection

from actionsight.doctor import lost_webhook_findings
from actionsight.event_buffer import EventBuffer
from actionsight.settings import Settings
from api.health import views
from tests.api.client import ValidatingClient, bearer, client_of
from tests.api.marts import Marts
from tests.api.prometheus.exposition import scrape
from tests.support.ports import free_port

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def asked_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each answer is made for itself, whatever was asked a moment ago."""
    monkeypatch.setattr(views, "SERVES_SECONDS", -1)


def test_a_living_process_says_so_without_a_database(client: ValidatingClient) -> None:
    assert client.get("/healthz").json == {"status": "ok"}


def test_ready_when_all_is_there(marts: Marts, client: ValidatingClient) -> None:
    response = client.get("/readyz")
    assert response.status_code == 200
    body: Any = response.json
    assert body.pop("disk").keys() == {"status", "used_bytes", "limit_bytes"}
    assert body == {
        "status": "ready",
        "as_of": None,
        "newest_observation_at": None,
        "event_buffer": {
            "status": "not_configured",
            "event_count": None,
            "oldest_event_age_seconds": None,
            "memory_bytes": None,
            "memory_limit_bytes": None,
        },
        "webhooks": {"status": "ok", "silent_count": 0, "given_up_count": 0},
    }


def test_a_silent_webhook_is_told_by_all_who_tell_and_keeps_nobody_from_reading(
    marts: Marts, settings: Settings, client: ValidatingClient, token: str
) -> None:
    """`actionsight status`, readiness and metrics agree."""
    marts.repository(1, "acme/widgets", hook_id=7, added_at="2026-01-01 00:00Z")
    marts.repository(2, "acme/polled", added_at="2026-01-01 00:00Z")
    name = "actionsight_repository_webhook_silent_since_timestamp_seconds"

    def told() -> list[float | None]:
        ready = client.get("/readyz")
        body: Any = ready.json
        page = scrape(client, bearer(token))
        counts = [
            sum(finding.is_warning for finding in lost_webhook_findings(settings)),
            body["webhooks"]["silent_count"],
            page.value("actionsight_silent_webhooks"),
            scrape(client).value("actionsight_silent_webhooks"),
            len(page.by(name, "repository") if name in page.names else ()),
        ]
        assert ready.status_code == 200
        assert body["webhooks"]["status"] == ("late" if counts[1] else "ok")
        return counts

    assert told() == [0] * 5
    marts.connection.execute(
        """
        insert into raw.workflow_runs (
            run_id, run_attempt, repository_id, workflow_id, created_at, content_hash, _dlt_load_id
        )
        select number, 1, 1 + number % 2, 1, now() - make_interval(hours => number), '', 'load'
        from generate_series(2, 20) as number
        """
    )
    assert told() == [1] * 5
    since = scrape(client, bearer(token)).value(name, repository="acme/widgets", repository_id="1")
    assert since is not None and abs(time.time() - since - 7 * 24 * 3600) < 60


def test_a_delivery_that_was_given_up_is_told_by_all_who_tell(
    marts: Marts, settings: Settings, client: ValidatingClient
) -> None:
    def told() -> list[Any]:
        body: Any = client.get("/readyz").json
        return [
            len([*lost_webhook_findings(settings)]),
            body["webhooks"]["given_up_count"],
            scrape(client).value("actionsight_webhook_deliveries_given_up"),
            int(body["webhooks"]["status"] == "late"),
        ]

    assert told() == [0] * 4
    marts.connection.execute(
        """
        insert into raw.webhook_redeliveries (
            delivery_id, hook_id, attempt_id, event, failed_at, status_code, error, given_up_at
        ) values ('1', 7, 1, 'workflow_run', now(), 503, 'in vain', now())
        """
    )
    assert told() == [1] * 4
    marts.connection.execute(
        "update raw.webhook_redeliveries set given_up_at = now() - interval '3 days 1 minute'"
    )
    assert told() == [0] * 4, "news of three days"


def test_readiness_says_how_fresh_all_that_is_monitored_is(
    marts: Marts, client: ValidatingClient
) -> None:
    def freshness() -> tuple[Any, Any]:
        body: Any = client.get("/readyz").json
        return body["as_of"], body["newest_observation_at"]

    marts.repository(1, "acme/a", observed_until="2026-01-07 11:00+01")
    assert freshness() == ("2026-01-07T10:00:00Z", None)
    marts.repository(
        2,
        "acme/b",
        observed_until="2026-01-07 09:00Z",
        newest_observation_at="2026-01-07 08:00Z",
    )
    assert freshness() == ("2026-01-07T09:00:00Z", "2026-01-07T08:00:00Z")
    marts.repository(3, "acme/new", newest_observation_at="2026-01-08 00:00Z")
    assert freshness() == (None, "2026-01-08T00:00:00Z")
    marts.remove_repository(3)
    assert freshness() == ("2026-01-07T09:00:00Z", "2026-01-07T08:00:00Z")


def test_readiness_says_how_many_webhooks_wait_and_since_when(
    marts: Marts, settings: Settings, redis_url: str
) -> None:
    buffer = EventBuffer(redis_url)
    with client_of(replace(settings, redis_url=redis_url)) as client:

        def waiting() -> Any:
            body: Any = client.get("/readyz").json
            memory = body["event_buffer"].pop("memory_bytes")
            assert memory > 0
            return body["event_buffer"]

        empty = {
            "status": "ok",
            "event_count": 0,
            "oldest_event_age_seconds": None,
            "memory_limit_bytes": None,
        }
        assert waiting() == empty
        entry_ids = [buffer.append({}, b"{}") for _ in range(3)]
        first, later = waiting(), waiting()
        assert (first["status"], first["event_count"]) == ("ok", 3)
        assert 0 <= first["oldest_event_age_seconds"] <= later["oldest_event_age_seconds"] < 60
        assert len(buffer.new(10)) == 3
        assert waiting()["event_count"] == 3, "what a drain has taken still waits"
        buffer.acknowledge(entry_ids)
        assert waiting() == empty
    buffer.close()


def test_a_buffer_that_is_away_is_shown_and_keeps_nobody_from_reading(
    marts: Marts, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"redis://:hunter2@127.0.0.1:{free_port()}/0"
    with client_of(replace(settings, redis_url=url)) as client:
        response = client.get("/readyz")
    body: Any = response.json
    assert (response.status_code, body["status"]) == (200, "ready")
    assert body["event_buffer"] == {
        "status": "unavailable",
        "event_count": None,
        "oldest_event_age_seconds": None,
        "memory_bytes": None,
        "memory_limit_bytes": None,
    }
    assert "event buffer" in caplog.text
    assert "hunter2" not in caplog.text


def test_not_ready_before_the_first_build(client: ValidatingClient) -> None:
    response = client.get("/readyz")
    assert response.status_code == 503
    body: Any = response.json
    assert {"name": "marts.jobs", "remedy": "Run `actionsight sync`, or `dbt build`."} in body[
        "missing"
    ]
    assert not any(item["name"].startswith("app.") for item in body["missing"])
    assert "Retry-After" in response.headers


@pytest.mark.usefixtures("own_database_url")
def test_not_ready_without_one_of_the_marts(
    marts: Marts, client: ValidatingClient, connection: Connection[Any]
) -> None:
    connection.execute("drop table marts.jobs")
    body: Any = client.get("/readyz").json
    assert [item["name"] for item in body["missing"]] == ["marts.jobs"]


def test_not_ready_before_the_migration(settings: Settings, empty_database_url: str) -> None:
    with client_of(replace(settings, database_url=empty_database_url)) as client:
        body: Any = client.get("/readyz").json
    assert {item["remedy"] for item in body["missing"] if item["name"].startswith("app.")} == {
        "Run `actionsight migrate`."
    }


def test_however_often_it_is_asked_the_database_is_asked_once_a_second(
    marts: Marts, client: ValidatingClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_that_the_database_is_asked_once(client, monkeypatch, 200)


def test_the_same_is_true_while_it_is_not_ready(
    client: ValidatingClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_that_the_database_is_asked_once(client, monkeypatch, 503)


def check_that_the_database_is_asked_once(
    client: ValidatingClient, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setattr(views, "SERVES_SECONDS", 60)
    asked = Mock(wraps=views._read)
    monkeypatch.setattr(views, "_read", asked)
    first, *others = [client.get("/readyz") for _ in range(5)]
    assert first.status_code == status
    assert [(other.data, other.status_code) for other in others] == [
        (first.data, first.status_code)
    ] * 4
    assert others[0].headers.get("Retry-After") == first.headers.get("Retry-After")
    assert asked.call_count == 1
