"""A year of collection ends with as many raw rows as a third of it has, but for what is kept.

Fifty repositories, told by webhooks and polled; each five days what is old goes, by the settings'
defaults and a clock that moves. Of each repository it is less than a real one brings: what bounds a
row is its age, not how many there are.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg import sql

from actionsight.database import connect
from actionsight.retention import RULES, due, remove
from actionsight.settings import load
from tests.actionsight.collected_days import PerDay, collect, monitor

pytestmark = [pytest.mark.integration, pytest.mark.thorough, pytest.mark.timeout(1200)]

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
STEP = timedelta(days=5)
PER_DAY = PerDay(repositories=50, runs=1, jobs=2, polls=24)
# What bounds the life of a row; what is kept of it grows with the history.
BOUNDED = (
    *("webhook_events", "webhook_runs", "webhook_jobs", "webhook_batches"),
    *("polls", "_dlt_loads", "direct_loads"),
)
KEPT = ("condensed_runs", "condensed_jobs", "polls_by_day")


def counts(database: psycopg.Connection[Any], *tables: str) -> dict[str, int]:
    found = {}
    for table in tables:
        query = sql.SQL("select count(*) from {}").format(sql.Identifier("raw", table))
        [(found[table],)] = database.execute(query).fetchall()
    return found


def size(database: psycopg.Connection[Any]) -> int:
    """Bytes of the tables whose rows go."""
    [(found,)] = database.execute(
        """
        select sum(pg_total_relation_size(('raw.' || name)::regclass))
        from unnest(%s::text[]) as name
        """,
        [list(BOUNDED)],
    ).fetchall()
    return int(found)


def test_a_year_ends_with_what_four_months_have(database_url: str) -> None:
    settings = load(environ={})
    sizes: list[int] = []
    found: list[dict[str, int]] = []
    with connect(database_url, autocommit=True) as database:
        monitor(database, PER_DAY)
        for number in range(73):
            begins = BEGINNING + number * STEP
            collect(database, PER_DAY, begins, begins + STEP)
            for rule, before in due(RULES, settings, begins + STEP):
                remove(rule, database, before)
            for table in BOUNDED:  # as autovacuum would
                database.execute(
                    sql.SQL("vacuum (analyze) {}").format(sql.Identifier("raw", table))
                )
            sizes.append(size(database))
            found.append(counts(database, *BOUNDED, *KEPT))
    months, year = found[24], found[-1]  # longer than anything that goes is kept
    print(sizes[24], months, sizes[-1], year, sep="\n")  # noqa: T201
    assert {table: year[table] for table in BOUNDED} == {table: months[table] for table in BOUNDED}
    assert max(sizes[25:]) < 1.1 * max(sizes[:25])
    days = 365 * PER_DAY.repositories
    assert 0 < year["polls_by_day"] <= days
    assert 0 < year["condensed_runs"] <= days * PER_DAY.runs
    assert 0 < year["condensed_jobs"] <= days * PER_DAY.runs * PER_DAY.jobs
