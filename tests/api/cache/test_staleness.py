"""No answer is ever stale, however data, rights and questions interleave."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import Connection

from actionsight.api_tokens import create_token
from tests.api.cache.conftest import fill
from tests.api.cache.people import People
from tests.api.client import bearer
from tests.api.marts import Marts

pytestmark = pytest.mark.integration

PATHS = (
    "/stats",
    "/stats?branch=@default",
    "/stats?repository=1",
    "/stats?group_by=workflow_id&limit=2",
    "/workflows",
    "/workflows?repository=acme/r2",
    "/workflows/10",
    "/repositories",
)
VIEWERS = ((1,), (1, 2), (2, 3), (1, 2, 3))

Change = Callable[[Marts, int], None]


def _run(marts: Marts, repository: int) -> None:
    row = marts.connection.execute(
        "select coalesce(max(run_id), 0) + 1 from marts.workflow_runs"
    ).fetchone()
    assert row is not None
    marts.run(row[0], repository * 10, "2026-01-02 00:00", attempts=["failure"])
    marts.add_up_days()
    marts.raise_version(repository)


def _lost_runs(marts: Marts, repository: int) -> None:
    for deletion in (
        "delete from marts.workflow_run_attempts where repository_id = %s",
        "delete from marts.workflow_runs where repository_id = %s",
    ):
        marts.connection.execute(deletion, [repository])
    marts.add_up_days()
    marts.raise_version(repository)


def _renamed_workflow(marts: Marts, repository: int) -> None:
    marts.connection.execute(
        "update marts.workflows set name = name || '!' where repository_id = %s", [repository]
    )
    marts.raise_version(repository)


def _other_default_branch(marts: Marts, repository: int) -> None:
    marts.connection.execute(
        "update marts.repositories set default_branch = case default_branch when 'main' "
        "then 'trunk' else 'main' end where repository_id = %s",
        [repository],
    )
    marts.raise_version(repository)


def _renamed(marts: Marts, repository: int) -> None:
    """By a poll, without a build."""
    marts.connection.execute(
        "update app.repositories set full_name = case when full_name like 'acme/%%' "
        "then 'umbrella/r' else 'acme/r' end || repository_id where repository_id = %s",
        [repository],
    )


def _removed_or_back(marts: Marts, repository: int) -> None:
    marts.connection.execute(
        "update app.repositories set removed_at = "
        "case when removed_at is null then now() end where repository_id = %s",
        [repository],
    )


def _versions_from_the_start(marts: Marts, repository: int) -> None:
    """The marts were dropped and are built anew, from data that changed meanwhile."""
    marts.connection.execute("delete from marts.data_versions")
    _renamed_workflow(marts, repository)
    for each in (1, 2, 3):
        marts.raise_version(each)


def _observed(marts: Marts, repository: int) -> None:
    marts.connection.execute(
        "update app.repositories set observed_until = clock_timestamp(), "
        "newest_observation_at = clock_timestamp() where repository_id = %s",
        [repository],
    )


CHANGES: tuple[Change, ...] = (
    _run,
    _lost_runs,
    _renamed_workflow,
    _other_default_branch,
    _renamed,
    _removed_or_back,
    _versions_from_the_start,
    _observed,
)

change = st.tuples(st.sampled_from(CHANGES), st.sampled_from((1, 2, 3)))
question = st.tuples(st.sampled_from(PATHS), st.sampled_from(VIEWERS))
# Few questions, often: what is asked once is never found in a cache.
steps = st.lists(question, min_size=1, max_size=3).flatmap(
    lambda questions: st.lists(
        st.tuples(st.one_of(st.none(), change), st.sampled_from(questions)),
        min_size=4,
        max_size=20,
    )
)


@pytest.mark.parametrize("apply", CHANGES)
def test_whatever_changes_shows_in_the_next_answer(
    history: Marts, people: People, uncached: People, apply: Change
) -> None:
    before = {path: people.ask(path) for path in PATHS}
    apply(history, 1)
    for path in PATHS:
        expected = uncached.ask(path)
        assert people.ask(path).data == expected.data, path
        conditional = people.ask(path, tag=before[path].headers["ETag"])
        is_same = expected.data == before[path].data
        assert conditional.status_code in ((200, 304) if is_same else (expected.status_code,)), path


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps)
def test_every_answer_is_the_one_that_would_be_computed(
    history: Marts, people: People, uncached: People, steps: list[Any]
) -> None:
    """Also a 304: the body that the tag was given with is the one that would be computed."""
    fill(history)
    people.renew()
    given_before: dict[Any, tuple[str, bytes]] = {}
    for changing, (path, visible) in steps:
        if changing is not None:
            apply, repository = changing
            with history.connection.transaction():
                apply(history, repository)
        expected = uncached.ask(path, visible)
        tag, body = given_before.get((path, visible), (None, b""))
        answer = people.ask(path, visible, tag)
        if answer.status_code == 304:
            assert body == expected.data
        else:
            assert (answer.status_code, answer.data) == (expected.status_code, expected.data)
        for name in ("Actionsight-As-Of", "Actionsight-Newest-Observation-At"):
            assert answer.headers.get(name) == expected.headers.get(name)
        if answer.status_code == 200:
            given_before[path, visible] = (answer.headers["ETag"], answer.data)


def test_rows_that_a_build_commits_before_the_version_show_once_it_has_ended(
    history: Marts, people: People
) -> None:
    """Each model commits alone and the versions rise last: in between either state may show."""
    assert people.read("/stats")["data"]["run_count"] == 3
    history.run(101, 10, "2026-01-02 00:00")
    history.add_up_days()
    assert people.read("/stats")["data"]["run_count"] in (3, 4)
    history.raise_version(1)
    assert people.read("/stats")["data"]["run_count"] == 4


def test_no_answer_is_older_than_what_was_committed_before_it_was_asked(
    history: Marts, app: Flask, connection: Connection[Any]
) -> None:
    """While one commits rows with their versions, others read: a body that is computed from one
    snapshot must not be kept under the versions of the next."""
    committed, problems = 0, []
    is_done = threading.Event()

    def write() -> None:
        nonlocal committed
        while not is_done.is_set():
            with connection.transaction():
                history.run(1000 + committed, 10, "2026-01-02 00:00")
                history.add_up_days()
                history.raise_version(1)
            committed += 1

    def read(token: str) -> None:
        client = app.test_client()
        for _ in range(100):
            least = committed
            answer: Any = client.get("/stats", headers=bearer(token)).json
            found = answer["data"]["run_count"] - 3
            if not least <= found <= committed + 1:
                problems.append((least, found, committed))

    tokens = [create_token(connection, f"reader {number}")[1] for number in range(3)]
    with ThreadPoolExecutor(4) as pool:
        writing = pool.submit(write)
        readings = [pool.submit(read, token) for token in tokens]
        try:
            for reading in readings:
                reading.result()
        finally:
            is_done.set()
        writing.result()
    assert problems == []
    assert committed > 20
