"""`actionsight sync`: twice at once, killed anywhere, again and again: the same marts."""

import dataclasses
import time
from collections.abc import Callable

import pytest

from github_standin.server.server import Server
from tests.end_to_end.conftest import Installation, kill

pytestmark = pytest.mark.end_to_end

PATIENCE_SECONDS = 120


def wait_until(happened: Callable[[], bool]) -> None:
    """Return as soon as something has happened; fail when it does not."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


@pytest.mark.thorough
def test_two_at_once_do_no_harm(installation: Installation, synced: Installation) -> None:
    both = [installation.start("sync") for _ in range(2)]
    outputs = [process.communicate()[0] for process in both]
    for process, output in zip(both, outputs, strict=True):
        assert process.returncode == 0, output[-20000:]
    assert installation.marts() == synced.marts()


def test_a_second_sync_changes_nothing_and_is_asked_of_few_pages(
    synced: Installation, github: Server
) -> None:
    before, loads = synced.marts(), synced.rows("select load_id from marts.built_loads order by 1")
    asked = len(github.requests)
    output = synced.run("sync")
    assert "dagster" not in output
    assert synced.marts() == before
    assert synced.rows("select load_id from marts.built_loads order by 1") == loads
    assert len(github.requests) - asked <= 4


@pytest.mark.thorough
def test_one_troubled_repository_stops_neither_the_others_nor_their_build(
    installation: Installation, synced: Installation
) -> None:
    more = {**installation.more, "ACTIONSIGHT_REPOSITORIES": "octo/unknown,bitcoin/bitcoin"}
    troubled = dataclasses.replace(installation, more=more)
    with troubled.start("sync") as process:
        output, _ = process.communicate()
    assert process.returncode == 1
    assert "octo/unknown: GitHub has no octo/unknown" in output
    assert troubled.marts() == synced.marts()


@pytest.mark.thorough
def test_killed_during_the_poll_it_heals(
    installation: Installation, synced: Installation, github: Server
) -> None:
    asked = len(github.requests)
    process = installation.start("sync")
    wait_until(lambda: len(github.requests) > asked + 150)
    kill(process)
    installation.run("sync")
    assert installation.marts() == synced.marts()


@pytest.mark.thorough
def test_killed_during_the_build_it_heals(installation: Installation, synced: Installation) -> None:
    process = installation.start("sync")
    wait_until(lambda: _is_building(installation))
    kill(process)
    assert installation.rows("select count(*) from marts.built_loads") == [(0,)]
    installation.run("sync")
    assert installation.marts() == synced.marts()


def _is_building(installation: Installation) -> bool:
    """Whether some marts are there, and not all: the middle of the first build."""
    [(made,)] = installation.rows(
        "select count(*) from pg_tables where schemaname = 'marts' "
        "and tablename in ('repositories', 'workflows', 'workflow_runs', 'jobs')"
    )
    return 0 < int(made) < 4
