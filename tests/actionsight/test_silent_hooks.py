"""A webhook of ours that tells nothing while polls find runs is seen."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, LiteralString

import pytest
from psycopg import Connection, sql

from actionsight.database import connect
from actionsight.doctor import lost_webhook_findings
from actionsight.settings import Settings
from actionsight.silent_hooks import list_silent

pytestmark = pytest.mark.integration


@pytest.fixture
def connection(settings: Settings) -> Iterator[Connection[Any]]:
    """Monitored for a month, with a webhook; polls found a run every hour for ten days."""
    with connect(str(settings.database_url), autocommit=True) as connection:
        connection.execute(
            """
            insert into app.repositories (repository_id, full_name, hook_id, added_at)
            values (1, 'octo/app', 7, now() - interval '30 days')
            """
        )
        connection.execute(
            """
            insert into raw.workflow_runs (
                run_id, run_attempt, repository_id, workflow_id, created_at, content_hash,
                _dlt_load_id
            )
            select number, 1, 1, 1, now() - make_interval(mins => number * 60 + 30), '', 'load'
            from generate_series(0, 240) as number
            """
        )
        yield connection


def told(settings: Settings) -> list[str]:
    return [finding.says for finding in lost_webhook_findings(settings)]


def hear(connection: Connection[Any], hours_ago: int) -> None:
    connection.execute(
        """
        insert into raw.webhook_events (
            delivery_id, event, repository_id, received_at, batch_id, outcome, headers
        ) values ('d', 'workflow_run', 1, now() - make_interval(hours => %s), 'b', 'observed', '{}')
        """,
        [hours_ago],
    )


@pytest.mark.parametrize(("hours_ago", "run_count"), [(None, 167), (9, 8), (4, 3)])
def test_runs_of_which_a_webhook_of_ours_told_nothing(
    settings: Settings, connection: Connection[Any], hours_ago: int | None, run_count: int
) -> None:
    if hours_ago is not None:
        hear(connection, hours_ago)
    [says] = told(settings)
    assert f"polls found {run_count} runs" in says
    assert "https://github.com/octo/app/settings/hooks/7" in says


def test_what_came_lately_what_is_none_of_ours_and_what_has_just_begun_is_not_silent(
    settings: Settings, connection: Connection[Any]
) -> None:
    hear(connection, 3)
    assert told(settings) == [], "two runs, and one that a webhook may still tell of"
    connection.execute("delete from raw.webhook_events")
    changes: tuple[LiteralString, ...] = (
        "hook_id = null",
        "removed_at = now()",
        "added_at = now()",
    )
    for change in changes:
        with connection.transaction(force_rollback=True):
            connection.execute(
                sql.SQL("update app.repositories set {change}").format(change=sql.SQL(change))
            )
            assert list_silent(connection) == []
    connection.execute(
        "insert into app.hook_secrets (repository_id, hook_id, fingerprint) values (1, 7, '')"
    )
    assert told(settings) == [], "its secret has just been changed"


def test_a_database_that_is_away_is_none_of_its_findings(settings: Settings) -> None:
    assert told(replace(settings, database_url=None)) == []
    assert told(replace(settings, database_url="postgresql://u:p@127.0.0.1:1/d")) == []
