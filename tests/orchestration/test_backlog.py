"""The schedules of history and sweeps ask for a run when there is something to do, only then."""

from datetime import UTC, datetime, timedelta
from typing import LiteralString

import pytest
from dagster import (
    DagsterInstance,
    ScheduleDefinition,
    SkipReason,
    build_schedule_context,
)

from actionsight.backlog import newest_without_history
from actionsight.database import connect
from orchestration.polling.schedules import read_history, sweep_github

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def _installation(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACTIONSIGHT_DATABASE_URL", database_url)


def execute(database_url: str, statement: LiteralString, *values: object) -> None:
    with connect(database_url) as connection:
        connection.execute(statement, values)


def ask(schedule: ScheduleDefinition, instance: DagsterInstance) -> str:
    """`run`, or why not."""
    context = build_schedule_context(instance, scheduled_execution_time=datetime.now(UTC))
    asked = schedule(context)
    assert isinstance(asked, (list, SkipReason))
    return "run" if isinstance(asked, list) else str(asked.skip_message)


def test_history_is_read_while_some_is_owed_and_the_limit_leaves_room(
    instance: DagsterInstance, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACTIONSIGHT_BACKFILL_DAYS", "5")
    assert ask(read_history, instance) == "All history is stored."
    execute(
        database_url,
        """
        insert into app.repositories (repository_id, full_name, head_since)
        values (5, 'octo/app', now())
        """,
    )
    assert ask(read_history, instance) == "run"  # its windows are not planned yet
    assert newest_without_history(database_url)
    execute(database_url, "update app.repositories set backfill_target = now() - interval '9 days'")
    assert not newest_without_history(database_url)
    assert ask(read_history, instance) == "All history is stored."
    execute(
        database_url,
        """
        insert into raw.backfill_windows (repository_id, starts_at, ends_at)
        values (5, now() - interval '9 days', now())
        """,
    )
    assert ask(read_history, instance) == "run"
    execute(
        database_url,
        """
        insert into app.github_budgets (credential, request_limit, remaining, resets_at, seen_at)
        values ('token', 5000, 1999, now() + interval '20 minutes', now())
        """,
    )
    assert ask(read_history, instance).startswith("What is left of GitHub's limit is for polls")
    execute(database_url, "update app.github_budgets set remaining = 4000")
    execute(database_url, "update raw.backfill_windows set completed_at = now()")
    assert ask(read_history, instance) == "All history is stored."
    execute(
        database_url,
        """
        insert into raw.owed_job_listings (run_id, run_attempt, repository_id, began_at)
        values (1, 1, 5, now() - interval '3 days')
        """,
    )
    assert ask(read_history, instance) == "run"
    execute(database_url, "delete from raw.owed_job_listings")
    monkeypatch.setenv("ACTIONSIGHT_BACKFILL_DAYS", "200")
    assert ask(read_history, instance) == "run"  # more of it is wanted than before
    execute(database_url, "update app.repositories set unreachable_since = now()")
    assert ask(read_history, instance) == "All history is stored."


def test_a_sweep_is_asked_for_when_a_repository_is_due(
    instance: DagsterInstance, database_url: str
) -> None:
    now = datetime.now(UTC)
    execute(
        database_url,
        """
        insert into app.repositories (repository_id, full_name, head_since)
        values (5, 'octo/app', %s)
        """,
        now - timedelta(hours=22),
    )
    assert "within the last day" in ask(sweep_github, instance)
    execute(database_url, "update app.repositories set head_since = %s", now - timedelta(hours=24))
    assert ask(sweep_github, instance) == "run"
    execute(database_url, "update app.repositories set swept_at = %s", now)
    assert "within the last day" in ask(sweep_github, instance)
