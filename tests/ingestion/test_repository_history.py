"""Since when a repository is public and what its default branch was: seen by polls, told by
webhooks, lost, late or twice."""

from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from github_standin.world.model import Repository
from tests.ingestion.factories import MINUTE, START, Installation, run, workflow
from tests.ingestion.scenarios import HEAD, POLL, Own, Poll, Scenario, Steps
from tests.ingestion.test_webhook_coverage import tell

pytestmark = pytest.mark.integration

HOUR = timedelta(hours=1)


def polled(own: Own) -> Generator[Poll, dict[str, str], Repository]:
    """A public repository that was polled once."""
    ci = own.monitored()
    run(ci, own.world, START - HOUR)
    yield POLL
    return own.world.repositories[ci.repository_id]


def periods(own: Own) -> list[tuple[datetime, str, str]]:
    """Since when which visibility and which default branch: equal neighbours are one period."""
    states = sorted(own.of_own("raw.repository_history"), key=lambda row: row["observed_at"])
    told = [(row["observed_at"], row["visibility"], row["default_branch"]) for row in states]
    return [
        state
        for before, state in zip([None, *told], told, strict=False)
        if before is None or before[1:] != state[1:]
    ]


def seen_at(own: Own) -> datetime:
    """When GitHub last told who may see the repository."""
    found: datetime = own.repository(own.name)["visibility_seen_at"]
    return found


def unbuilt(own: Installation) -> set[str]:
    """What a build has to take in; the view of all loads says the same."""
    loads = {row["load_id"] for row in own.query("select load_id from raw.unbuilt_loads")}
    assert loads == {row["load_id"] for row in own.query("select load_id from raw.loads")}
    return loads


def test_the_corrections_of_many_repositories_are_one_load(own: Installation) -> None:
    names = ("octo/one", "octo/two")
    for name in names:
        run(workflow(own.world, name), own.world, START - HOUR)
    own.monitor(*names)
    own.collect()
    own.query(
        """
        insert into raw.repository_history
        select repository_id, observed_at + interval '1 minute', 'private', 'main', 'load'
        from raw.repository_history returning 1
        """
    )
    own.clock.advance(2 * HOUR)
    own.collect()
    corrections = own.query(
        """
        select count(*) from raw.repository_history where load_id in (
            select load_id from raw.direct_loads
        )
        """
    )
    assert corrections == [{"count": 2}]
    assert len(own.query("select from raw.direct_loads")) == 1


@pytest.mark.parametrize(
    ("seen_at", "visibility", "branch", "is_noted"),
    [
        (datetime(2026, 3, 1, 12, tzinfo=UTC), "public", "main", False),  # as it is since 10:00
        (datetime(2026, 3, 1, 12, tzinfo=UTC), "private", "main", True),
        (datetime(2026, 3, 1, 12, tzinfo=UTC), "public", "trunk", True),
        (datetime(2026, 3, 1, 12, tzinfo=UTC), None, "", False),  # an answer that lacks both
        (datetime(2026, 3, 1, 12, tzinfo=UTC), None, "trunk", True),
        (datetime(2026, 3, 1, 9, tzinfo=UTC), "private", "main", False),  # as it is since 8:00
        (datetime(2026, 3, 1, 9, tzinfo=UTC), "public", "main", True),  # late: known for 10:00
        (datetime(2026, 3, 1, 7, tzinfo=UTC), "private", "main", False),  # the first reaches back
        (datetime(2026, 3, 1, 7, tzinfo=UTC), "public", "main", True),
    ],
)
def test_a_poll_s_state_is_noted_where_another_was_known_for_that_time(
    own: Installation, seen_at: datetime, visibility: str | None, branch: str, is_noted: bool
) -> None:
    own.query(
        """
        insert into raw.repository_history values
            (7, '2026-03-01 08:00:00+00', 'private', 'main', 'a'),
            (7, '2026-03-01 10:00:00+00', 'public', 'main', 'b'),
            (8, '2026-03-01 11:00:00+00', 'internal', 'other', 'c')
        returning 1
        """
    )
    noted = own.query(
        "select raw.note_repository_state(7, %s, %s, %s, 'd') as is_noted",
        seen_at,
        visibility,
        branch,
    )
    assert noted == [{"is_noted": is_noted}]
    rows: list[dict[str, Any]] = own.query(
        "select * from raw.repository_history where load_id = 'd'"
    )
    assert rows == (
        [
            {
                "repository_id": 7,
                "observed_at": seen_at,
                "visibility": visibility or "public",
                "default_branch": branch,
                "load_id": "d",
            }
        ]
        if is_noted
        else []
    )


def a_poll_notes_what_it_sees_first_and_what_it_sees_changed(own: Own) -> Steps:
    hello = yield from polled(own)
    first = seen_at(own)
    assert periods(own) == [(first, "public", "main")]
    yield 2 * HOUR
    yield POLL
    assert len(own.of_own("raw.repository_history")) == 1
    yield 2 * HOUR
    own.world.privatize_repository(hello)
    yield 10 * MINUTE
    yield POLL
    second = seen_at(own)
    yield 2 * HOUR
    own.world.archive_repository(hello)
    own.world.change_default_branch(hello, "trunk")
    yield POLL
    assert periods(own) == [
        (first, "public", "main"),
        (second, "private", "main"),
        (seen_at(own), "private", "trunk"),
    ]
    assert {row["load_id"] for row in own.of_own("raw.repository_history")} <= unbuilt(own)


def a_change_that_a_webhook_tells_before_the_poll_is_one_since_it_happened(own: Own) -> Steps:
    yield from two_changes(own, is_told_first=True)


def a_change_that_a_webhook_tells_after_the_poll_is_one_since_it_happened(own: Own) -> Steps:
    yield from two_changes(own, is_told_first=False)


def two_changes(own: Own, *, is_told_first: bool) -> Steps:
    """Both are told of by a webhook and by a poll."""
    hello = yield from polled(own)
    first = seen_at(own)
    yield 2 * HOUR
    before = own.clock.now
    yield 10 * MINUTE
    own.world.privatize_repository(hello)
    privatized_at = own.clock.now
    yield 10 * MINUTE
    own.world.change_default_branch(hello, "trunk")
    edited_at = own.clock.now
    yield 10 * MINUTE
    if is_told_first:
        tell(own, before)
    yield POLL
    tell(own, before)
    yield 2 * HOUR
    yield POLL
    assert periods(own) == [
        (first, "public", "main"),
        (privatized_at, "private", "main"),
        (edited_at, "private", "trunk"),
    ]
    unbuilt(own)


def a_batch_that_tells_of_a_repository_alone_asks_for_a_build(own: Own) -> Steps:
    hello = yield from polled(own)
    yield HOUR
    before = own.clock.now
    yield MINUTE
    own.world.privatize_repository(hello)
    yield MINUTE
    built = unbuilt(own)
    tell(own, before)
    [load_id] = unbuilt(own) - built
    [batch] = own.query("select * from raw.webhook_batches where batch_id = %s", load_id)
    assert (batch["run_count"], batch["job_count"], batch["repository_count"]) == (0, 0, 1)
    [row] = own.query("select * from raw.repository_history where load_id = %s", load_id)
    assert row["visibility"] == "private"


def what_a_webhook_told_and_no_other_took_back_is_corrected_by_the_next_poll(own: Own) -> Steps:
    """It was private for minutes between two polls, and the second webhook was lost: what polls
    store never changed."""
    hello = yield from polled(own)
    first = seen_at(own)
    yield HOUR
    before = own.clock.now
    yield MINUTE
    own.world.privatize_repository(hello)
    privatized_at = own.clock.now
    yield MINUTE
    own.world.publicize_repository(hello)
    yield MINUTE
    tell(own, before, lambda _, body: bool(body["action"] == "publicized"))
    built = unbuilt(own)
    yield 5 * MINUTE
    yield HEAD
    assert periods(own) == [
        (first, "public", "main"),
        (privatized_at, "private", "main"),
        (seen_at(own), "public", "main"),
    ]
    direct = {row["load_id"] for row in own.query("select load_id from raw.direct_loads")}
    [correction] = direct & {row["load_id"] for row in own.of_own("raw.repository_history")}
    assert correction in unbuilt(own) - built
    yield 2 * HOUR
    yield POLL
    assert len(own.of_own("raw.repository_history")) == 3


SCENARIOS: tuple[Scenario, ...] = (
    a_poll_notes_what_it_sees_first_and_what_it_sees_changed,
    a_change_that_a_webhook_tells_before_the_poll_is_one_since_it_happened,
    a_change_that_a_webhook_tells_after_the_poll_is_one_since_it_happened,
    a_batch_that_tells_of_a_repository_alone_asks_for_a_build,
    what_a_webhook_told_and_no_other_took_back_is_corrected_by_the_next_poll,
)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test(failures: dict[Scenario, Exception], scenario: Scenario) -> None:
    if failure := failures.get(scenario):
        raise failure
