"""GET /metrics: what is counted, who sees which series, and what it says in an outage."""

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from psycopg import Connection, sql

from actionsight.api_tokens import create_token
from actionsight.event_buffer import EventBuffer
from actionsight.settings import Settings
from api import database
from tests.api.client import ValidatingClient, bearer, client_of
from tests.api.marts import Marts
from tests.api.prometheus.exposition import scrape
from tests.api.webhooks.counted import counts_in
from tests.api.webhooks.deliveries import BODY, PATH, SECRET
from tests.api.webhooks.deliveries import headers as signed
from tests.support.ports import free_port

pytestmark = pytest.mark.integration

GUIDE = Path(__file__).parents[3] / "docs/operators.md"
AWAY = "redis://:hunter2@127.0.0.1:{port}/0"
NOWHERE = "postgresql://nobody:hunter2@127.0.0.1:{port}/nothing"


def test_requests_are_counted_by_route_and_status_never_by_path(
    marts: Marts, client: ValidatingClient, token: str
) -> None:
    for path in ("/workflows/1", "/workflows/2", "/workflows/2?odd=1"):
        client.get(path, headers=bearer(token))
    client.get("/workflows/1")
    client.get("/never/heard/of?token=hunter2")
    client.open("/healthz", method="PROPFIND")
    client.get("/healthz", headers={"Host": "elsewhere.example"})
    page = scrape(client)
    counted = {
        (sample.labels["method"], sample.labels["route"], sample.labels["status"]): sample.value
        for sample in page.families["actionsight_http_requests"].samples
    }
    assert counted == {
        ("GET", "/workflows/<workflow_id>", "404"): 2,
        ("GET", "/workflows/<workflow_id>", "400"): 1,
        ("GET", "/workflows/<workflow_id>", "401"): 1,
        ("GET", "none", "404"): 1,
        ("GET", "none", "400"): 1,
        ("other", "none", "405"): 1,
    }
    name = "actionsight_http_request_duration_seconds"
    assert page.value(f"{name}_count", route="/workflows/<workflow_id>") == 4
    assert page.value(f"{name}_bucket", route="/workflows/<workflow_id>", le="10.0") == 4
    assert 0 < (page.value(f"{name}_sum", route="/workflows/<workflow_id>") or 0) < 10


def test_names_follow_the_conventions_of_prometheus(every: ValidatingClient, token: str) -> None:
    page = scrape(every, bearer(token))
    for family in page.families.values():
        assert re.fullmatch(r"actionsight_[a-z0-9_]+", family.name), family.name
        assert family.type in ("counter", "gauge", "histogram")
        # A help text is one sentence or more, for somebody who was just woken by an alert.
        assert family.documentation.endswith("."), family.name
        totals = [sample.name.endswith("_total") for sample in family.samples]
        assert all(totals) if family.type == "counter" else not any(totals), family.name
        for unit in ("age", "duration", "timestamp"):
            assert f"_{unit}" not in family.name or family.name.endswith("_seconds"), family.name


def test_the_guide_names_every_series_and_no_other(every: ValidatingClient, token: str) -> None:
    families = scrape(every, bearer(token)).families.values()
    names = {f"{each.name}_total" if each.type == "counter" else each.name for each in families}
    rows = [line for line in GUIDE.read_text(encoding="utf-8").splitlines() if line[:1] == "|"]
    assert set(re.findall(r"`(actionsight_\w+)`", "\n".join(rows))) == names


@pytest.fixture
def every(
    marts: Marts, settings: Settings, redis_url: str, cache_url: str
) -> Iterator[ValidatingClient]:
    """A client of an installation that has every series there is."""
    moment = "2026-01-07 10:00Z"
    marts.repository(
        1,
        "acme/widgets",
        observed_until=moment,
        trouble="502",
        trouble_since=moment,
        unreachable_since=moment,
        next_try_at=moment,
        backfill_target=moment,
        backfilled_from=moment,
        hook_id=7,
        added_at=moment,
    )
    marts.connection.execute(
        """
        insert into raw.workflow_runs (
            run_id, run_attempt, repository_id, workflow_id, created_at, content_hash, _dlt_load_id
        )
        select number, 1, 1, 1, now() - make_interval(hours => number), '', 'load'
        from generate_series(2, 4) as number
        """
    )
    marts.connection.execute(
        "insert into app.github_budgets values ('token', 5000, 1, now(), 0, 0, 0, now())"
    )
    everything = replace(
        settings,
        redis_url=redis_url,
        cache_url=cache_url,
        # The same server by another address, which stands for a replica.
        read_database_url=f"{settings.database_url}?connect_timeout=10",
        github_webhook_secret=(SECRET,),
    )
    with client_of(everything) as client:
        client.get("/healthz")
        yield client


def test_a_webhook_that_was_received_or_refused_is_seen(
    every: ValidatingClient, redis_url: str
) -> None:
    client = every
    assert counts_in(scrape(client)) == {"accepted": {}, "refused": {}}
    assert client.post(PATH, data=BODY, headers=signed(BODY)).status_code == 202
    client.post(PATH, data=BODY, headers=signed(BODY, X_Hub_Signature_256="sha256=0"))
    page = scrape(client)
    assert counts_in(page) == {"accepted": {"workflow_run": 1}, "refused": {"signature_wrong": 1}}
    assert page.value("actionsight_event_buffer_up") == 1
    assert page.value("actionsight_event_buffer_events") == 1
    age = page.value("actionsight_event_buffer_oldest_event_age_seconds")
    assert age is not None and 0 <= age < 60
    buffer = EventBuffer(redis_url)
    buffer.acknowledge([event.entry_id for event in buffer.new(10)])
    buffer.close()
    page = scrape(client)
    assert page.value("actionsight_event_buffer_events") == 0
    assert page.value("actionsight_event_buffer_oldest_event_age_seconds") == 0


def test_a_dead_letter_is_seen_until_it_is_discarded(
    marts: Marts, client: ValidatingClient
) -> None:
    def letters() -> float | None:
        return scrape(client).value("actionsight_webhook_dead_letters")

    assert letters() == 0
    marts.connection.execute(
        """
        insert into raw.webhook_dead_letters
            (delivery_id, event, received_at, headers, body, failed_at, error)
        values ('1', 'workflow_run', now(), '{}', '', now(), 'unreadable')
        """
    )
    assert letters() == 1
    marts.connection.execute("update raw.webhook_dead_letters set discarded_at = now()")
    assert letters() == 0


def test_trouble_and_progress_of_a_repository_are_seen_and_end(
    marts: Marts, client: ValidatingClient, token: str
) -> None:
    observed = datetime.now(UTC) - timedelta(minutes=10)
    marts.repository(
        1,
        "acme/widgets",
        observed_until=observed,
        backfill_target="2025-10-03 00:00Z",
        backfill_windows=5,
        backfill_windows_completed=3,
        job_listings_owed=70,
    )

    def value(name: str) -> float | None:
        page = scrape(client, bearer(token))
        return page.value(
            f"actionsight_repository_{name}", repository="acme/widgets", repository_id="1"
        )

    def state() -> set[str]:
        page = scrape(client, bearer(token))
        return {name for name, n in page.by("actionsight_repositories", "state").items() if n}

    def update(**values: object) -> None:
        assignments = sql.SQL(", ").join(
            sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name))
            for name in values
        )
        marts.connection.execute(
            sql.SQL("update app.repositories set {}").format(assignments), values
        )

    assert (value("up"), value("failures"), state()) == (1, 0, {"backfilling"})
    age = value("observation_age_seconds")
    assert age is not None and 600 <= age < 660
    assert (value("backfill_windows"), value("backfill_windows_completed")) == (5, 3)
    assert value("backfill_target_timestamp_seconds") == 1759449600
    assert value("backfilled_from_timestamp_seconds") is None
    assert value("job_listings_owed") == 70
    assert value("trouble_since_timestamp_seconds") is None
    update(trouble="502", trouble_since="2026-01-07Z", failure_count=3)
    assert (value("up"), value("failures"), state()) == (0, 3, {"trouble"})
    assert value("trouble_since_timestamp_seconds") == 1767744000
    update(trouble=None, trouble_since=None, failure_count=0)
    update(unreachable_since="2026-01-07Z", next_try_at="2026-01-08Z")
    assert (value("up"), state()) == (0, {"unreachable"})
    assert value("unreachable_since_timestamp_seconds") == 1767744000
    assert value("next_try_timestamp_seconds") == 1767830400
    update(unreachable_since=None, next_try_at=None, backfilled_from="2025-10-03Z")
    assert (value("up"), state()) == (1, {"collected"})
    assert value("unreachable_since_timestamp_seconds") is None


def test_two_repositories_of_one_name_are_two_series(
    marts: Marts, client: ValidatingClient, token: str
) -> None:
    """As after a rename, when another repository took the old name."""
    marts.repository(1, "acme/widgets")
    marts.repository(2, "acme/widgets")
    ids = scrape(client, bearer(token)).by("actionsight_repository_up", "repository_id")
    assert ids == {"1": 1, "2": 1}


def test_github_s_limits_are_counted_for_all_and_told_by_credential_to_operators(
    marts: Marts, client: ValidatingClient, token: str
) -> None:
    marts.connection.execute(
        """
        insert into app.github_budgets (
            credential, request_limit, remaining, resets_at, seen_at,
            request_count, unchanged_count, refused_count
        ) values
            ('installation of acme', 5000, 4100, now() + interval '10 minutes', now(), 900, 40, 2),
            ('token', 60, 1, now() - interval '10 minutes', now(), 59, 0, 0),
            ('enterprise', null, null, null, now(), 7, 0, 0)
        """
    )
    for headers in ({}, bearer(token)):
        page = scrape(client, headers)
        assert page.value("actionsight_github_requests_total") == 966
        assert page.value("actionsight_github_unchanged_responses_total") == 40
        assert page.value("actionsight_github_refusals_total") == 2
    page = scrape(client, bearer(token))
    assert page.by("actionsight_github_budget_limit", "credential") == {
        "installation of acme": 5000,
        "token": 60,
    }
    assert page.by("actionsight_github_budget_remaining", "credential") == {
        "installation of acme": 4100,
        "token": 60,  # that hour is over
    }
    resets = page.by("actionsight_github_budget_reset_timestamp_seconds", "credential")
    assert abs(resets["installation of acme"] - time.time() - 600) < 60
    assert "acme" not in client.get("/metrics").text


def test_refused_selections_are_counted_for_operators(
    marts: Marts, client: ValidatingClient, token: str
) -> None:
    marts.connection.execute(
        "insert into app.repository_selections (name, last_error) values ('a/wrong', '404')"
    )
    assert scrape(client, bearer(token)).value("actionsight_selections_refused") == 1
    assert scrape(client).value("actionsight_selections_refused") is None


def test_a_token_that_opens_nothing_fails_the_scrape(
    marts: Marts, client: ValidatingClient, connection: Connection[Any]
) -> None:
    """Prometheus shall show the target as down, rather than lose series without a word."""
    token = create_token(connection, "prometheus")[1]
    assert client.get("/metrics", headers=bearer(token)).status_code == 200
    connection.execute("update app.api_tokens set revoked_at = now()")
    for headers in (bearer(token), bearer("as_unknown"), {"Authorization": "Basic eDp5"}):
        response = client.get("/metrics", headers=headers)
        assert response.status_code == 401, headers
        assert "WWW-Authenticate" in response.headers


def test_without_its_database_a_scrape_tells_what_it_can(
    settings: Settings, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "POOL_TIMEOUT_SECONDS", 0.3)
    away = NOWHERE.format(port=free_port())
    own = replace(settings, database_url=away, read_database_url=away, redis_url=redis_url)
    with client_of(own) as client:
        client.get("/healthz")
        for headers in ({}, bearer("as_whoever")):
            page = scrape(client, headers)
            assert page.value("actionsight_database_up") == 0
            assert page.value("actionsight_event_buffer_up") == 1
            assert page.value("actionsight_http_requests_total", route="/healthz") == 1
            assert page.value("actionsight_webhook_dead_letters") is None
            assert not any(name.startswith("actionsight_repositor") for name in page.names)


def test_before_the_migration_the_database_is_not_up(
    settings: Settings, empty_database_url: str
) -> None:
    own = replace(settings, database_url=empty_database_url, read_database_url=None)
    with client_of(own) as client:
        for headers in ({}, bearer("as_whoever")):
            assert scrape(client, headers).value("actionsight_database_up") == 0


def test_without_redis_a_scrape_tells_the_rest(
    marts: Marts, settings: Settings, token: str, caplog: pytest.LogCaptureFixture
) -> None:
    marts.repository(1, "acme/widgets")
    url = AWAY.format(port=free_port())
    with client_of(replace(settings, redis_url=url, cache_url=url)) as client:
        response = client.get("/metrics", headers=bearer(token))
        page = scrape(client, bearer(token))
    assert page.value("actionsight_event_buffer_up") == 0
    assert page.value("actionsight_event_buffer_events") is None
    assert page.value("actionsight_cache_up") == 0
    assert page.value("actionsight_database_up") == 1
    assert page.value("actionsight_repository_up", repository="acme/widgets") == 1
    assert "hunter2" not in response.text + caplog.text


def test_what_is_not_configured_is_not_down(client: ValidatingClient, marts: Marts) -> None:
    names = scrape(client).names
    assert not names & {"actionsight_event_buffer_up", "actionsight_cache_up"}
