"""Since when a repository is public and what its default branch was: seen by polls, told by
webhooks, lost, late or twice."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from github_standin.world.model import Repository
from tests.ingestion.factories import MINUTE, START, Installation, run, workflow
from tests.ingestion.test_webhook_coverage import tell

pytestmark = pytest.mark.integration

HOUR = timedelta(hours=1)


@pytest.fixture
def hello(own: Installation) -> Repository:
    """A public repository that was polled once."""
    ci = workflow(own.world)
    run(ci, own.world, START - HOUR)
    own.monitor("octo/hello")
    own.collect()
    return own.world.repositories[ci.repository_id]


def periods(own: Installation) -> list[tuple[datetime, str, str]]:
    """Since when which visibility and which default branch: equal neighbours are one period."""
    states = own.query("select * from raw.repository_history order by observed_at")
    told = [(row["observed_at"], row["visibility"], row["default_branch"]) for row in states]
    return [
        state
        for before, state in zip([None, *told], told, strict=False)
        if before is None or before[1:] != state[1:]
    ]


def seen_at(own: Installation) -> datetime:
    """When GitHub last told who may see the repository."""
    found: datetime = own.repository("octo/hello")["visibility_seen_at"]
    return found


def unbuilt(own: Installation) -> set[str]:
    """What a build has to take in; the view of all loads says the same."""
    loads = {row["load_id"] for row in own.query("select load_id from raw.unbuilt_loads")}
    assert loads == {row["load_id"] for row in own.query("select load_id from raw.loads")}
    return loads


def test_a_poll_notes_what_it_sees_first_and_what_it_sees_changed(
    own: Installation, hello: Repository
) -> None:
    first = seen_at(own)
    assert periods(own) == [(first, "public", "main")]
    own.clock.advance(2 * HOUR)
    own.collect()
    assert len(own.query("select from raw.repository_history")) == 1
    own.clock.advance(2 * HOUR)
    own.world.privatize_repository(hello)
    own.clock.advance(10 * MINUTE)
    own.collect()
    second = seen_at(own)
    own.clock.advance(2 * HOUR)
    own.world.archive_repository(hello)
    own.world.change_default_branch(hello, "trunk")
    own.collect()
    assert periods(own) == [
        (first, "public", "main"),
        (second, "private", "main"),
        (seen_at(own), "private", "trunk"),
    ]
    rows = own.query("select load_id from raw.repository_history")
    assert {row["load_id"] for row in rows} <= unbuilt(own)


@pytest.mark.parametrize("is_told_first", [True, False])
def test_a_change_that_a_webhook_and_a_poll_tell_is_one_since_it_happened(
    own: Installation, hello: Repository, is_told_first: bool
) -> None:
    first = seen_at(own)
    own.clock.advance(2 * HOUR)
    before = own.clock.now
    own.clock.advance(10 * MINUTE)
    own.world.privatize_repository(hello)
    privatized_at = own.clock.now
    own.clock.advance(10 * MINUTE)
    own.world.change_default_branch(hello, "trunk")
    edited_at = own.clock.now
    own.clock.advance(10 * MINUTE)
    if is_told_first:
        tell(own, before)
    own.collect()
    tell(own, before)
    own.clock.advance(2 * HOUR)
    own.collect()
    assert periods(own) == [
        (first, "public", "main"),
        (privatized_at, "private", "main"),
        (edited_at, "private", "trunk"),
    ]
    unbuilt(own)


def test_a_batch_that_tells_of_a_repository_alone_asks_for_a_build(
    own: Installation, hello: Repository
) -> None:
    built = unbuilt(own)
    own.clock.advance(HOUR)
    before = own.clock.now
    own.clock.advance(MINUTE)
    own.world.privatize_repository(hello)
    own.clock.advance(MINUTE)
    tell(own, before)
    [batch] = own.query("select * from raw.webhook_batches")
    assert (batch["run_count"], batch["job_count"], batch["repository_count"]) == (0, 0, 1)
    assert unbuilt(own) - built == {batch["batch_id"]}
    [row] = own.query("select * from raw.repository_history where load_id = %s", batch["batch_id"])
    assert row["visibility"] == "private"


def test_what_a_webhook_told_and_no_other_took_back_is_corrected_by_the_next_poll(
    own: Installation, hello: Repository
) -> None:
    """It was private for minutes between two polls, and the second webhook was lost: what polls
    store never changed."""
    first = seen_at(own)
    own.clock.advance(HOUR)
    before = own.clock.now
    own.clock.advance(MINUTE)
    own.world.privatize_repository(hello)
    privatized_at = own.clock.now
    own.clock.advance(MINUTE)
    own.world.publicize_repository(hello)
    own.clock.advance(MINUTE)
    tell(own, before, lambda _, body: bool(body["action"] == "publicized"))
    built = unbuilt(own)
    own.clock.advance(5 * MINUTE)
    own.collect("head", "open")
    assert periods(own) == [
        (first, "public", "main"),
        (privatized_at, "private", "main"),
        (seen_at(own), "public", "main"),
    ]
    [correction] = own.query("select load_id from raw.direct_loads")
    assert unbuilt(own) - built == {correction["load_id"]}
    own.clock.advance(2 * HOUR)
    own.collect()
    assert len(own.query("select from raw.repository_history")) == 3


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
