"""How far the numbers can be trusted: the start of the last poll whose loads are all built."""

import os
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from actionsight.database import connect

pytestmark = pytest.mark.integration

# More than the gate has time for: `make thorough`.
CASE_COUNT = int(os.environ.get("ACTIONSIGHT_TEST_CASES", "4"))
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
            self.load(load_id)
        return poll_id

    def load(self, load_id: str) -> None:
        """A load commits."""
        self.connection.execute(
            "insert into raw._dlt_loads (load_id, schema_name, status, inserted_at) "
            "values (%s, 'github_runs', 0, now())",
            [load_id],
        )

    def build(self, load_id: str) -> None:
        """A build has taken a load in."""
        self.connection.execute("delete from raw.unbuilt_loads where load_id = %s", [load_id])
        self.connection.execute("insert into marts.built_loads values (%s)", [load_id])

    def observed_until(self) -> int | None:
        """Minutes after noon, or None while nothing can be trusted."""
        self.connection.execute("select app.advance_observed_until()")
        [(until,)] = self.connection.execute(
            "select observed_until from app.repositories where repository_id = 1"
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


def test_a_load_of_which_more_was_stored_after_a_build_holds_back_its_poll(polls: Polls) -> None:
    polls.sync(5, load_id="a")
    polls.build("a")
    polls.connection.execute("insert into raw.unbuilt_loads (load_id) values ('a')")
    assert polls.observed_until() is None


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


def rows_read(polls: Polls) -> int:
    """How many rows of raw.polls one call reads."""

    def counted() -> int:
        [(rows,)] = polls.connection.execute(
            """
            select seq_tup_read + idx_tup_fetch from pg_stat_xact_user_tables
            where schemaname = 'raw' and relname = 'polls'
            """
        ).fetchall()
        return int(rows)

    # Outside of a transaction the server may have put the counters away meanwhile.
    with polls.connection.transaction():
        before = counted()
        polls.connection.execute("select app.advance_observed_until()")
        return counted() - before


def test_what_a_repository_that_cannot_be_polled_leaves_is_read_once(polls: Polls) -> None:
    """Each cycle asks for it again, and that for months."""
    polls.connection.execute(
        """
        insert into app.repositories (repository_id, full_name)
        select number, 'octo/' || number from generate_series(2, 50) as number
        """
    )
    polls.connection.execute(
        """
        insert into raw.polls
        select gen_random_uuid(), repository_id, 'repository', %s + number * interval '5 minutes',
            null, 0, 0, 1, '{}', 'GitHub answers 404'
        from app.repositories cross join generate_series(1, 200) as number
        """,
        [NOON],
    )
    polls.connection.execute("analyze raw.polls")
    assert rows_read(polls) >= 50 * 200
    assert rows_read(polls) <= 50 * 3
    # The next poll that goes well counts all the same.
    polls.sync(2_000)
    assert polls.observed_until() == 2_000


def test_what_waits_for_a_build_is_not_past(polls: Polls) -> None:
    polls.sync(5, load_id="a", error="GitHub answers 500")
    polls.sync(10, error="GitHub answers 500")
    polls.sync(15, error="GitHub answers 500")
    assert polls.observed_until() is None
    polls.sync(20)
    assert polls.observed_until() is None
    polls.build("a")
    assert polls.observed_until() == 20


@dataclass
class Cycle:
    """A cycle as this test knows it: by loop whether it is running, ended or failed, and from
    which second on."""

    poll_id: UUID
    is_poll: bool
    states: dict[str, str] = field(default_factory=dict)
    began_at: dict[str, int] = field(default_factory=dict)
    load_ids: set[str] = field(default_factory=set)

    @property
    def started_at(self) -> int:
        return min(self.began_at.values())

    @property
    def is_running(self) -> bool:
        return "running" in self.states.values()

    @property
    def is_complete(self) -> bool:
        return {"head", "jobs"} <= self.states.keys() and set(self.states.values()) == {"ended"}


class Story:
    """A random history of polls, sweeps beside them, gaps and builds; and what it means."""

    def __init__(self, polls: Polls, seed: int) -> None:
        self.polls = polls
        # A cycle that began a day ago has ended, whatever its rows say.
        self.start = datetime.now(UTC) - timedelta(hours=12)
        self.random = random.Random(seed)  # noqa: S311 reproducible, not secret
        self.second = count()
        self.load_number = count()
        self.cycles: list[Cycle] = []
        self.unbuilt: set[str] = set()
        self.has_gap = False
        self.observed_until: int | None = None
        polls.connection.execute("update app.repositories set head_since = %s", [self.start])

    def go_on(self) -> None:
        """One more thing happens."""
        polls = [cycle for cycle in self.cycles if cycle.is_poll]
        polling = [cycle for cycle in polls[-1:] if cycle.is_running]
        sweeping = [cycle for cycle in self.cycles if not cycle.is_poll and cycle.is_running]
        self.random.choice(
            [
                *[lambda: self.go_on_with(polling[0]) if polling else self.begin(is_poll=True)] * 4,
                lambda: self.go_on_with(sweeping[0]) if sweeping else self.begin(is_poll=False),
                self.build,
                self.open_or_close_a_gap,
            ]
        )()

    def begin(self, *, is_poll: bool) -> None:
        """A cycle begins; one that was killed before stays as it is."""
        self.cycles.append(Cycle(uuid4(), is_poll))
        self._save(self.cycles[-1], LOOPS[0] if is_poll else "sweep", "running")

    def go_on_with(self, cycle: Cycle) -> None:
        """Its loop ends, fails, or brings a load; the next one of a poll begins."""
        loop = next(loop for loop, state in cycle.states.items() if state == "running")
        if self.random.random() < 0.3:
            load_id = f"load {next(self.load_number)}"
            self.polls.load(load_id)
            self.unbuilt.add(load_id)
            cycle.load_ids.add(load_id)
        self._save(cycle, loop, "failed" if self.random.random() < 0.2 else "ended")
        later = LOOPS[LOOPS.index(loop) + 1 :] if cycle.is_poll else ()
        # One of 404 is not asked for its runs; a killed process begins no further loop.
        if later and self.random.random() < 0.9:
            self._save(cycle, later[0], "running")

    def build(self) -> None:
        """A build takes in some of the loads."""
        for load_id in sorted(self.unbuilt):
            if self.random.random() < 0.6:
                self.unbuilt.remove(load_id)
                self.polls.build(load_id)

    def open_or_close_a_gap(self) -> None:
        """Nobody polled for a while; or that is read by now."""
        self.has_gap = not self.has_gap
        self.polls.connection.execute(
            """
            insert into raw.backfill_windows (repository_id, starts_at, ends_at, completed_at)
            values (1, %(at)s, %(at)s, case when not %(is_open)s then now() end)
            on conflict (repository_id, starts_at)
            do update set completed_at = excluded.completed_at
            """,
            {"at": self.start, "is_open": self.has_gap},
        )

    def come_right(self) -> None:
        """The gap is read, all is built, and a poll comes through."""
        if self.has_gap:
            self.open_or_close_a_gap()
        for load_id in sorted(self.unbuilt):
            self.polls.build(load_id)
        self.unbuilt.clear()
        self.cycles.append(Cycle(uuid4(), is_poll=True))
        for loop in LOOPS:
            self._save(self.cycles[-1], loop, "ended")

    def expected(self) -> int | None:
        """By the definition alone, with all cycles since the last that counted."""
        for cycle in self.cycles:
            if self.observed_until is not None and cycle.started_at < self.observed_until:
                continue
            if cycle.load_ids & self.unbuilt:
                break
            if cycle.is_complete and not self.has_gap:
                self.observed_until = cycle.started_at
        return self.observed_until

    def told(self) -> int | None:
        """Up to which second the numbers can be trusted, as the database has it."""
        if self.polls.observed_until() is None:
            return None
        [(until,)] = self.polls.connection.execute(
            "select observed_until from app.repositories"
        ).fetchall()
        return int((until - self.start).total_seconds())

    def _save(self, cycle: Cycle, loop: str, state: str) -> None:
        cycle.states[loop] = state
        began_at = cycle.began_at.setdefault(loop, next(self.second))
        self.polls.connection.execute(
            """
            insert into raw.polls values (
                %(id)s, 1, %(loop)s, %(at)s, %(ended)s, 0, 0, 1, %(loads)s, %(error)s
            )
            on conflict (poll_id, repository_id, loop) do update set
                ended_at = excluded.ended_at, load_ids = excluded.load_ids, error = excluded.error
            """,
            {
                "id": cycle.poll_id,
                "loop": loop,
                "at": self.start + timedelta(seconds=began_at),
                "ended": self.start if state == "ended" else None,
                "loads": sorted(cycle.load_ids),
                "error": "broken" if state == "failed" else None,
            },
        )


@pytest.mark.parametrize("seed", range(CASE_COUNT))
def test_the_marks_change_nothing_of_the_definition(polls: Polls, seed: int) -> None:
    story = Story(polls, seed)
    for _ in range(150):
        story.go_on()
        expected = story.expected()
        assert story.told() == expected
    story.come_right()
    assert story.told() == story.expected() is not None
