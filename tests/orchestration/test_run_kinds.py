"""How many runs of a kind Dagster starts at once, and of all kinds together."""

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._daemon.run_coordinator import QueuedRunCoordinatorDaemon

from actionsight.local import dagster_home
from actionsight.settings import Settings
from orchestration.definitions import defs
from orchestration.run_kinds import KIND_TAG, Kind, of_kind

pytestmark = pytest.mark.integration

REPOSITORY = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("actionsight"), "__repository__")
Started = Callable[[Settings, list[Kind]], Counter[str]]


@pytest.fixture
def started(empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Started]:
    """Of so many runs in the queue, of these kinds: which Dagster would start at once."""
    url = "postgresql+psycopg2://" + empty_database_url.partition("://")[2]
    monkeypatch.setenv("ACTIONSIGHT_DAGSTER_DATABASE_URL", url)
    with ExitStack() as stack:

        def start(settings: Settings, kinds: list[Kind]) -> Counter[str]:
            home = dagster_home.make(settings)
            instance = stack.enter_context(DagsterInstance.from_config(str(home)))
            for kind in kinds:
                instance.add_run(
                    DagsterRun(
                        job_name=kind,
                        status=DagsterRunStatus.QUEUED,
                        tags=dict(of_kind(kind)),
                        remote_job_origin=RemoteJobOrigin(REPOSITORY, kind),
                    )
                )
            daemon = QueuedRunCoordinatorDaemon(interval_seconds=1)
            runs = daemon._get_runs_to_dequeue(instance, instance.get_concurrency_config(), None)
            return Counter(run.tags[KIND_TAG] for run in runs)

        yield start


def test_one_of_each_kind_unless_there_are_shards(settings: Settings, started: Started) -> None:
    assert started(settings, ["poll", "poll", "build", "build", "backfill", "sweep"]) == {
        "poll": 1,
        "build": 1,
        "backfill": 1,
        "sweep": 1,
    }


def test_two_polls_at_once_and_never_two_builds(settings: Settings, started: Started) -> None:
    more = dataclasses.replace(settings, collection_shards=2)
    assert started(more, ["poll", "poll", "poll", "build", "build", "retention", "retention"]) == {
        "poll": 2,
        "build": 1,
        "retention": 1,
    }


def test_what_asks_github_leaves_room_for_a_build(settings: Settings, started: Started) -> None:
    more = dataclasses.replace(settings, collection_shards=3)
    kinds: list[Kind] = [*["poll"] * 3, *["sweep"] * 3, *["backfill"] * 3, "build", "purge"]
    assert sum(started(more, kinds).values()) == len(kinds)


def test_every_job_that_dagster_starts_has_a_kind_with_a_limit(settings: Settings) -> None:
    runs = dagster_home.configuration(settings)["concurrency"]["runs"]
    limits = {each["value"]: each["limit"] for each in runs["tag_concurrency_limits"]}
    kinds = {job.name: job.tags.get(KIND_TAG) for job in defs.resolve_all_job_defs()}
    # They are people's: one works in the process of who waits for it, one is any choice of assets.
    assert kinds.pop("sync") is None
    assert kinds.pop("__ASSET_JOB") is None
    assert set(kinds.values()) == limits.keys() - {"first_poll"}
    assert kinds["build"] == kinds["full_build"]
    assert set(limits.values()) == {1}
    assert runs["max_concurrent_runs"] == 6
