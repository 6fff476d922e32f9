"""Where webhooks come and polls still have to add or correct much, a person is told."""

import pytest
from dagster import AssetCheckSeverity, AssetKey

from actionsight.database import connect
from orchestration.definitions import defs
from orchestration.modelling.reconciliation import health, judged, reconcile

pytestmark = pytest.mark.integration

# Attempts by webhooks alone, by polls alone, by both, corrected; then the same of jobs.
COUNTS = {
    1: (0, 0, 100, 0, 0, 0, 100, 0),
    2: (0, 6, 94, 0, 0, 0, 400, 0),
    3: (0, 0, 100, 0, 300, 50, 50, 40),
    # A share that is large, of what is few.
    4: (0, 4, 0, 0, 0, 4, 4, 4),
    5: (0, 100, 0, 0, 0, 100, 0, 0),
}


@pytest.fixture
def seen_url(database_url: str) -> str:
    """Five repositories; webhooks tell of the first four, since three days ago."""
    with connect(database_url) as connection:
        connection.execute("create schema marts")
        connection.execute("create table marts.repositories (repository_id bigint, full_name text)")
        connection.execute(
            """
            create table marts.collection_health_by_day (
                repository_id bigint, day date, attempt_count bigint,
                webhook_only_attempt_count bigint, poll_only_attempt_count bigint,
                both_attempt_count bigint, corrected_attempt_count bigint,
                webhook_only_job_count bigint, poll_only_job_count bigint, both_job_count bigint,
                corrected_job_count bigint
            )
            """
        )
        for repository_id, counts in COUNTS.items():
            connection.execute(
                "insert into marts.repositories values (%s, %s)",
                [repository_id, f"acme/{repository_id}"],
            )
            # The days before the webhook was there, and the one on which it came, say nothing.
            for days_ago, seen in ((0, counts), (3, (0, 999, 0, 0, 0, 999, 0, 0))):
                connection.execute(
                    """
                    insert into marts.collection_health_by_day values (
                        %s, (now() at time zone 'UTC')::date - %s, %s,
                        %s, %s, %s, %s, %s, %s, %s, %s
                    )
                    """,
                    [repository_id, days_ago, sum(seen[:3]), *seen],
                )
        connection.execute(
            """
            insert into raw.webhook_events
                (delivery_id, event, repository_id, received_at, batch_id, outcome, headers)
            select 'delivery ' || number, 'workflow_run', number,
                (now() at time zone 'UTC')::date::timestamp at time zone 'UTC'
                - interval '3 days' + interval '1 hour',
                'batch', 'observed', '{}'
            from generate_series(1, 4) as number
            """
        )
    return database_url


def test_a_repository_is_named_with_what_is_missing_and_what_to_do(seen_url: str) -> None:
    found = {each.repository: each.advice() for each in health(seen_url)}
    assert set(found) == {"acme/1", "acme/2", "acme/3", "acme/4"}
    assert found["acme/1"] is None
    assert found["acme/4"] is None
    runs, jobs = found["acme/2"] or "", found["acme/3"] or ""
    assert "Of 100 attempts of runs no webhook told of 6" in runs
    assert "'Workflow runs'" in runs
    assert "jobs" not in runs
    assert "Of 400 jobs no webhook told of 50" in jobs
    assert "Of 400 jobs polls corrected 40" in jobs
    assert "dead-letters list" in jobs


def test_the_check_warns_and_does_not_fail(seen_url: str) -> None:
    result = judged(health(seen_url))
    assert result.passed is False
    assert result.severity == AssetCheckSeverity.WARN
    assert set(result.metadata) == {"repositories", "acme/2", "acme/3"}


def test_before_the_first_build_there_is_nothing_to_warn_of(database_url: str) -> None:
    assert health(database_url) == []


def test_it_is_looked_at_daily_and_by_sync_but_not_by_every_build() -> None:
    jobs = {job.name: job for job in defs.resolve_all_job_defs()}
    checks = {
        name: {key.name for key in jobs[name].asset_layer.asset_graph.asset_check_keys}
        for name in ("build", "sync", reconcile.name)
    }
    assert "webhooks_tell_enough" not in checks["build"]
    assert "webhooks_tell_enough" in checks["sync"]
    assert checks["reconcile"] == {"webhooks_tell_enough"}
    mart = AssetKey(["marts", "collection_health_by_day"])
    assert AssetKey(["raw", "polls"]) in defs.resolve_asset_graph().get_ancestor_asset_keys(mart)
