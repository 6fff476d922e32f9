"""Retention that is killed goes on the next time, and ends as one that was not.

It waits for a row or a table that we hold, within a batch, after others, and is killed there.
"""

import multiprocessing
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString
from unittest import mock

import psycopg
import pytest
from psycopg import sql

from actionsight.database import connect
from actionsight.retention import RULES, due, remove, rule
from actionsight.settings import load
from tests.actionsight.collected_days import PerDay, collect, monitor
from tests.support.services import Databases

pytestmark = pytest.mark.integration

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
NOW = BEGINNING + timedelta(days=110)
PER_DAY = PerDay(repositories=2, runs=1, jobs=2, polls=4)
BATCH = 100
PATIENCE_SECONDS = 60
TABLES = (
    *("webhook_events", "webhook_payloads", "webhook_runs", "webhook_jobs", "webhook_batches"),
    "condensed_runs",
    *("condensed_jobs", "polls", "polls_by_day", "workflow_runs", "workflow_jobs"),
)


def let_go(url: str) -> None:
    """Remove what is old, in small batches."""
    with connect(url, autocommit=True) as database, mock.patch.object(rule, "BATCH", BATCH):
        for each, before in due(RULES, load(environ={}), NOW):
            remove(each, database, before)


@pytest.fixture
def collected(postgres_server: Databases) -> Iterator[tuple[str, str]]:
    """Two databases with the same rows."""
    with postgres_server.migrated() as url, postgres_server.migrated() as other:
        for each in (url, other):
            with connect(each, autocommit=True) as database:
                monitor(database, PER_DAY)
                collect(database, PER_DAY, BEGINNING, NOW)
                database.execute("analyze")
        yield url, other


def rows(database: psycopg.Connection[Any]) -> dict[str, list[str]]:
    """Every row that retention could touch, as text."""
    query = sql.SQL("select each::text from raw.{} as each order by 1")
    return {
        table: [row for (row,) in database.execute(query.format(sql.Identifier(table)))]
        for table in TABLES
    }


def kill_where_it_waits(url: str, database: psycopg.Connection[Any], held: LiteralString) -> None:
    """Kill a process that removes once it waits for what a statement holds."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=let_go, args=(url,))
    with connect(url) as holder:
        holder.execute(held)
        process.start()
        deadline = time.monotonic() + PATIENCE_SECONDS
        waiting = """
            select true from pg_stat_activity
            where datname = current_database() and wait_event_type = 'Lock'
        """
        while not database.execute(waiting).fetchone():
            assert process.is_alive(), "it ended before"
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.kill()
        process.join(PATIENCE_SECONDS)
    assert process.exitcode == -signal.SIGKILL


def test_killed_again_and_again_it_ends_as_if_it_had_not_been(collected: tuple[str, str]) -> None:
    url, other = collected
    with connect(url, autocommit=True) as database, connect(other, autocommit=True) as undisturbed:
        assert rows(database) == rows(undisturbed)
        seen = [rows(database)]
        held: LiteralString
        for held in (
            # Payloads go, the oldest week first.
            "lock table raw.webhook_payloads_20260209 in access share mode",
            "lock table raw.condensed_runs in exclusive mode",
            "select from raw.webhook_runs where received_at = '2026-02-10' for update",
            "lock table raw.condensed_jobs in exclusive mode",
            "select from raw.webhook_jobs where received_at = '2026-02-10' for update",
            "lock table raw.polls_by_day in exclusive mode",
            "select from raw.polls where started_at = '2026-02-10' for update",
        ):
            kill_where_it_waits(url, database, held)
            seen.append(rows(database))
        let_go(url)
        let_go(other)
        assert rows(database) == rows(undisturbed)
    # The kills found something done and something to do.
    assert len({str(each) for each in seen}) == 8
