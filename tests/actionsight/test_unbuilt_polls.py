"""Days of polls that no build took in: a row for each, however often a repository was polled, and
none that a build and a poll at once lose."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest

from actionsight.database import connect

pytestmark = pytest.mark.integration

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
TODAY, TOMORROW = date(2026, 3, 2), date(2026, 3, 3)
TAKE_IN = "delete from raw.unbuilt_polls returning repository_id, day"


@pytest.fixture
def connections(database_url: str) -> Iterator[tuple[psycopg.Connection[Any], ...]]:
    """Of a poll, of a build, and of one who looks."""
    with (
        connect(database_url) as poll,
        connect(database_url) as build,
        connect(database_url, autocommit=True) as looker,
    ):
        yield poll, build, looker


def save_poll(connection: psycopg.Connection[Any], at: datetime, repository_id: int = 1) -> None:
    connection.execute(
        """
        insert into raw.polls
        values (gen_random_uuid(), %s, 'head', %s, null, 0, 0, 1, '{}', null)
        """,
        [repository_id, at],
    )


def days(connection: psycopg.Connection[Any]) -> list[tuple[int, date]]:
    query = "select repository_id, day from raw.unbuilt_polls order by repository_id, day"
    return connection.execute(query).fetchall()


def wait_for_a_lock(
    looker: psycopg.Connection[Any], work: Callable[[], object]
) -> threading.Thread:
    """Let work begin, and return once it waits for another's transaction."""
    thread = threading.Thread(target=work)
    thread.start()
    while not looker.execute(
        """
        select from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'
        """
    ).fetchall():
        assert thread.is_alive()
    return thread


def test_a_weekend_of_polls_is_a_row_for_each_day(
    connections: tuple[psycopg.Connection[Any], ...],
) -> None:
    poll, _, _ = connections
    for minute in range(0, 1440, 5):
        for repository_id in (1, 2):
            save_poll(poll, NOON + timedelta(minutes=minute), repository_id)
    poll.execute("update raw.polls set ended_at = now()")
    assert days(poll) == [(1, TODAY), (1, TOMORROW), (2, TODAY), (2, TOMORROW)]


def test_a_poll_that_ends_after_a_build_took_its_day_in_notes_the_day_again(
    connections: tuple[psycopg.Connection[Any], ...],
) -> None:
    poll, build, looker = connections
    save_poll(poll, NOON)
    poll.commit()
    assert build.execute(TAKE_IN).fetchall() == [(1, TODAY)]

    def go_on() -> None:
        save_poll(poll, NOON)
        poll.commit()

    waiting = wait_for_a_lock(looker, go_on)
    build.commit()
    waiting.join()
    assert days(looker) == [(1, TODAY)]


def test_a_build_waits_for_a_poll_of_a_day_that_it_takes_in_and_sees_it(
    connections: tuple[psycopg.Connection[Any], ...],
) -> None:
    poll, build, looker = connections
    save_poll(poll, NOON)
    poll.commit()
    save_poll(poll, NOON)
    taken: list[tuple[int, date]] = []
    waiting = wait_for_a_lock(looker, lambda: taken.extend(build.execute(TAKE_IN).fetchall()))
    poll.commit()
    waiting.join()
    assert taken == [(1, TODAY)]
    assert build.execute("select count(*) from raw.polls").fetchall() == [(2,)]
    build.commit()
    assert days(looker) == []


def test_a_poll_of_a_new_day_beside_a_build_stays_for_the_next(
    connections: tuple[psycopg.Connection[Any], ...],
) -> None:
    poll, build, looker = connections
    save_poll(poll, NOON)
    assert build.execute(TAKE_IN).fetchall() == []
    build.commit()
    poll.commit()
    assert days(looker) == [(1, TODAY)]
