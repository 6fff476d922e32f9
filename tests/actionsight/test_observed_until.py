"""How far the numbers can be trusted: the start of the last poll whose loads are all built."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from actionsight.database import connect

pytestmark = pytest.mark.integration

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
LOOPS = ("repository", "head", "open", "jobs")


class Polls:
    """Writes what collection and builds leave behind, for one repository."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection
        connection.execute(
            "insert into app.repositories (repository_id, full_name) values (1, 'octo/app')"
        )
        connection.execute("create schema marts")
        connection.execute("create table marts.built_loads (load_id text primary key)")

    def sync(self, minute: int, load_id: str | None = None, error: str | None = None) -> UUID:
        """A sync that began `minute` after noon; its runs came by a load, or its jobs failed."""
        poll_id = uuid4()
        for number, loop in enumerate(LOOPS):
            failed = error if loop == "jobs" else None
            started_at = NOON + timedelta(minutes=minute, seconds=number)
            self.connection.execute(
                "insert into raw.polls values (%s, 1, %s, %s, %s, 0, 0, 1, %s, %s)",
                [
                    poll_id,
                    loop,
                    started_at,
                    None if failed else started_at,
                    [load_id] if load_id and loop == "head" else [],
                    failed,
                ],
            )
        if load_id:
            self.connection.execute(
                """
                insert into raw.workflows (workflow_id, repository_id, _dlt_load_id, content_hash)
                values (%s, 1, %s, 'hash')
                """,
                [minute, load_id],
            )
            self.connection.execute(
                "insert into raw._dlt_loads (load_id, schema_name, status, inserted_at) "
                "values (%s, 'github_runs', 0, now())",
                [load_id],
            )
        return poll_id

    def build(self, load_id: str) -> None:
        """A build has taken a load in."""
        self.connection.execute("insert into marts.built_loads values (%s)", [load_id])

    def observed_until(self) -> int | None:
        """Minutes after noon, or None while nothing can be trusted."""
        self.connection.execute("select app.advance_observed_until()")
        [(until,)] = self.connection.execute(
            "select observed_until from app.repositories"
        ).fetchall()
        return None if until is None else int((until - NOON).total_seconds() // 60)


@pytest.fixture
def polls(database_url: str) -> Any:
    with connect(database_url, autocommit=True) as connection:
        yield Polls(connection)


def test_a_poll_counts_once_its_loads_are_built(polls: Polls) -> None:
    polls.sync(5, load_id="a")
    assert polls.observed_until() is None
    polls.build("a")
    assert polls.observed_until() == 5


def test_a_poll_that_changed_nothing_counts_at_once(polls: Polls) -> None:
    polls.sync(5)
    assert polls.observed_until() == 5
    polls.sync(10)
    assert polls.observed_until() == 10


def test_an_unbuilt_load_holds_back_all_later_polls(polls: Polls) -> None:
    polls.sync(5)
    polls.sync(10, load_id="a")
    polls.sync(15)
    assert polls.observed_until() == 5
    polls.build("a")
    assert polls.observed_until() == 15


def test_a_poll_with_trouble_does_not_count(polls: Polls) -> None:
    polls.sync(5)
    polls.sync(10, error="GitHub answers 500")
    assert polls.observed_until() == 5
    polls.sync(15)
    assert polls.observed_until() == 15


def test_the_start_is_that_of_the_whole_sync_however_often_it_is_asked(polls: Polls) -> None:
    polls.sync(5)
    polls.observed_until()
    polls.observed_until()
    [(until,)] = polls.connection.execute("select observed_until from app.repositories").fetchall()
    assert until == NOON + timedelta(minutes=5)


def test_before_the_first_build_nothing_is_trusted(polls: Polls) -> None:
    polls.sync(5)
    polls.connection.execute("drop schema marts cascade")
    assert polls.observed_until() is None
