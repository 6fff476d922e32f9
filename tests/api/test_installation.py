"""GET /installation, /definitions and /audit."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask

from actionsight.settings import Settings
from api.stats.metrics import Statistics
from github_standin import INVENTED
from github_standin.histories import demonstration
from github_standin.server.server import serving
from github_standin.world.world import World
from tests.api.client import ValidatingClient, bearer, client_of

pytestmark = pytest.mark.integration


def test_anybody_learns_what_the_installation_is(client: ValidatingClient) -> None:
    response = client.get("/installation")
    assert response.json is not None
    data = response.json["data"]
    assert (data["name"], data["demonstration"]) == ("Actionsight", None)
    assert (data["is_sign_in_configured"], data["poll_minutes"]) == (False, 5)


def test_the_demonstration_says_that_it_is_one(settings: Settings, cache_url: str) -> None:
    """Whether all has happened is asked of what shows it, and not by everybody again."""
    world = World()
    shown = demonstration.show(world, {"bitcoin-core-ci": 0})
    with serving(world, status=lambda: demonstration.status(world, shown)) as standin:
        configured = replace(
            settings,
            github_client_id="demonstration",
            repositories=("bitcoin-core/gui", INVENTED),
            demonstration_speed=60,
            github_api_url=standin.url,
        )

        def ask(settings: Settings) -> Any:
            with client_of(settings) as client:
                return client.get("/installation").get_json()["data"]["demonstration"]

        assert ask(configured) == {
            "recordings": ["bitcoin-core/gui"],
            "speed": 60,
            "used_up": True,
        }
        world.clock = lambda: shown[0].recording.first
        assert ask(configured)["used_up"] is False
        assert ask(replace(configured, cache_url=cache_url))["used_up"] is False
        world.clock = lambda: datetime.now(UTC)
        assert ask(replace(configured, cache_url=cache_url))["used_up"] is False
    assert ask(configured)["used_up"] is None


def test_every_number_has_its_definition(client: ValidatingClient, token: str) -> None:
    rows = client.answer("/definitions", token)["data"]
    of_stats = {row["name"]: row for row in rows if "/stats" in row["routes"]}
    assert list(of_stats) == list(Statistics.model_fields)
    assert of_stats["success_rate"] == {
        "name": "success_rate",
        "meaning": "Success ÷ decisive.",
        "unit": "rate",
        "formula": "success_count::double precision / nullif(decisive_count, 0)",
        "mart": None,
        "routes": ["/stats", "/workflows", "/workflows/{workflow_id}"],
        "lineage_url": None,
    }
    p95 = of_stats["job_queue_p95_seconds"]
    assert (p95["unit"], p95["mart"]) == ("seconds", "jobs")
    assert p95["lineage_url"] == "http://127.0.0.1:3000/assets/marts/jobs"
    assert "percentile_cont(0.95)" in p95["formula"]
    keys = [
        (route, *(row[key] for key in ("name", "meaning", "mart")))
        for row in rows
        for route in row["routes"]
    ]
    assert len(set(keys)) == len(keys)
    [impact] = [row for row in rows if row["name"] == "impact_usd"]
    assert (impact["unit"], impact["formula"]) == ("usd", None)
    [mttr] = [row for row in rows if row["name"] == "mttr_seconds"]
    assert (mttr["routes"], mttr["mart"]) == (["/branches/health"], "branch_health_intervals")
    [wait] = [row for row in rows if row["name"] == "queue_seconds" and "/runs" in row["routes"]]
    assert (wait["unit"], wait["formula"]) == ("seconds", "workflow_runs.queue_seconds")
    text = client.get("/definitions.csv", headers=bearer(token)).text
    assert text.startswith("name,meaning,unit,formula,mart,routes,lineage_url\r\nrun_count,Runs.")


def test_no_number_of_an_answer_is_without_a_definition(
    client: ValidatingClient, token: str
) -> None:
    defined = {row["name"] for row in client.answer("/definitions", token)["data"]}
    schemas = client.get("/openapi.json").get_json()["components"]["schemas"]
    units = ("_seconds", "_minutes", "_usd", "_count", "_rate", "_share", "_bound")
    # Of the installation: they are no statistics.
    others = {
        "event_count",
        "given_up_count",
        "oldest_event_age_seconds",
        "poll_minutes",
        "repository_count",
        "silent_count",
        "workflow_count",
    }
    shown = {
        name
        for schema in schemas.values()
        for name, member in schema.get("properties", {}).items()
        if name.endswith(units) and "boolean" not in str(member.get("type"))
    }
    assert len(shown) > 100
    assert shown - defined == others


def test_nobody_in_particular_gets_no_definitions(app: Flask, client: ValidatingClient) -> None:
    for path in ("/definitions", "/audit", "/tokens", "/sessions", "/search?q=ab"):
        assert client.get(path).status_code == 401, path


def test_a_token_of_the_command_line_reads_the_audit_log(
    client: ValidatingClient, token: str
) -> None:
    assert client.get("/audit", headers=bearer(token)).status_code == 200
