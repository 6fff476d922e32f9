"""Shards take what is monitored apart, load side by side, and share the limits of GitHub."""

import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import redis
from werkzeug.wrappers import Request

from actionsight.locks import LOOP_LOCKS, holder_of_some
from actionsight.shards import ALL, SLOTS, Shard, holding, shards
from github_standin.server.secondary_limits import SecondaryLimits, Traffic
from github_standin.world.model import Run
from ingestion.github import stages
from tests.ingestion import killable_commands
from tests.ingestion.factories import (
    MINUTE,
    Installation,
    attempts_of,
    jobs_of,
    run,
    workflow,
)
from tests.ingestion.shard_processes import LIMITS, FastTime, as_app, owners_of, worker

PATIENCE_SECONDS = 60


def slot_of(own: Installation, name: str) -> int:
    [row] = own.query("select app.collection_slot(%s) as slot", name)
    return int(row["slot"])


def owners(own: Installation, wanted: Sequence[Shard]) -> list[str]:
    """An owner of each of these shards."""
    with own.connect() as connection:
        return owners_of(connection, wanted)


def history(own: Installation, owner: str, count: int = 6) -> list[Run]:
    """Runs of a repository of an owner; monitored, not collected."""
    own.clock.now = datetime.now(UTC).replace(microsecond=0)
    name = f"{owner}/app"
    of = workflow(own.world, name)
    own.monitor(name)
    return [run(of, own.world, own.clock.now - number * 90 * MINUTE) for number in range(1, count)]


def assert_exact(own: Installation, runs: list[Run], repositories: int) -> None:
    assert own.attempts() == attempts_of(*runs)
    assert own.jobs() == jobs_of(*runs)
    assert len(own.query("select from raw.repositories")) == repositories
    assert own.query("select from raw.polls where error is not null") == []
    noted = own.query("select load_id from raw.unbuilt_loads")
    assert own.loads_of_rows() <= {row["load_id"] for row in noted}


def test_shards_have_each_slot_once_however_many_there_are() -> None:
    for count in range(1, SLOTS + 1):
        slots = [slot for shard in shards(count) for slot in shard.slots]
        assert sorted(slots) == list(range(SLOTS))
        for shard in shards(count):
            assert Shard.parse(str(shard)) == shard
            assert holding(shard.slots, count) == [shard]
    assert ALL.slots == list(range(SLOTS))


def test_shards_whose_places_are_the_same_are_never_under_way_at_once() -> None:
    for count in range(1, SLOTS + 1):
        for shard in shards(count):
            assert shard.number - 1 in shard.slots


@pytest.mark.parametrize("text", ["", "2", "0/4", "5/4", "1/65", "a/b", "-1/4"])
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no shard"):
        Shard.parse(text)


@pytest.mark.integration
def test_an_owners_repositories_stay_together(own: Installation) -> None:
    slots = [slot_of(own, f"owner-{number}/app") for number in range(640)]
    assert set(slots) == set(range(SLOTS))
    assert slot_of(own, "Owner-7/app") == slot_of(own, "owner-7/other") == slot_of(own, "owner-7/*")


@pytest.mark.integration
def test_two_shards_at_once_load_side_by_side(own: Installation, tmp_path: Path) -> None:
    both = shards(2)
    one, other = owners(own, both)
    runs = [*history(own, one), *history(own, other)]
    meeting = threading.Barrier(2, timeout=PATIENCE_SECONDS)
    met: set[str] = set()

    def fault(request: Request) -> None:
        owner = request.path.split("/")[2]
        if request.path.endswith("/actions/runs") and owner not in met:
            met.add(owner)
            meeting.wait()

    own.server.fault = fault
    processes = [
        killable_commands.forked(
            partial(killable_commands.poll, arguments=("--shard", str(shard))),
            replace(own.settings, data_dir=tmp_path / str(shard.number)).environment(),
        )
        for shard in both
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(PATIENCE_SECONDS)
    assert [process.exitcode for process in processes] == [0, 0]
    assert met == {one, other}
    assert_exact(own, runs, 2)


@pytest.mark.integration
def test_a_shard_holds_up_those_that_overlap_it_alone(own: Installation) -> None:
    name, number = LOOP_LOCKS["head"]
    with own.sync("head", "open", shard=Shard(1, 2)), own.connect() as other:
        assert holder_of_some(other, number, Shard(2, 2).slots) is None
        with own.sync("head", shard=Shard(2, 4)):
            pass
        for overlapping in (ALL, Shard(3, 4), Shard(1, 3)):
            assert "session" in str(holder_of_some(other, number, overlapping.slots)), name
        assert holder_of_some(other, LOOP_LOCKS["sweep"][1], ALL.slots) is None


@pytest.mark.integration
def test_a_repository_that_moves_to_another_shard_is_collected_there(own: Installation) -> None:
    both = shards(2)
    one, other = owners(own, both)
    runs = history(own, one)
    [repository] = own.world.repositories.values()
    with own.sync(shard=both[0]) as sync:
        stages.collect_repositories(sync)
        stages.collect_runs(sync)
        own.world.rename_repository(repository, f"{other}/app")
        with own.connect() as connection:
            connection.execute("update app.repositories set full_name = %s", [f"{other}/app"])
        stages.collect_jobs(sync)
    assert own.jobs() == set()
    with own.sync(shard=both[1]) as sync:
        stages.collect_repositories(sync)
        stages.collect_runs(sync)
        stages.collect_jobs(sync)
    assert_exact(own, runs, 1)


@pytest.fixture
def strict(own: Installation) -> FastTime:
    """The stand-in refuses what is beyond GitHub's secondary limits, in minutes of six seconds."""
    fast = FastTime(time.time())
    enforce(own, fast)
    return fast


def enforce(own: Installation, fast: FastTime) -> None:
    """Refuse what is beyond the limits from now on, whatever was asked before."""
    own.server.traffic = Traffic(fast.clock)
    own.server.secondary_limits = SecondaryLimits(
        at_once=LIMITS.concurrent, points=LIMITS.points_per_minute
    )


def work(own: Installation, folder: Path, fast: FastTime, count: int, **options: Any) -> float:
    """Let so many workers collect a shard each at once; how many minutes that took."""
    processes = [worker(own.settings, folder, shard, fast, **options) for shard in shards(count)]
    began = fast.clock()
    for process in processes:
        process.start()
    for process in processes:
        process.join(2 * PATIENCE_SECONDS)
    assert [process.exitcode for process in processes] == [0] * count
    return (fast.clock() - began) / 60


@pytest.mark.thorough
@pytest.mark.integration
def test_ten_workers_together_keep_one_credentials_limits(
    own: Installation, strict: FastTime, tmp_path: Path
) -> None:
    names = owners(own, shards(10))
    runs = [each for name in names for each in history(own, name, count=40)]
    minutes = work(own, tmp_path, strict, 10)
    assert own.server.refusals == {}
    assert_exact(own, runs, 10)
    # It is the limit that they took their time by.
    requests = sum(own.server.traffic.statuses.values())
    assert minutes >= requests // LIMITS.points_per_minute


@pytest.mark.thorough
@pytest.mark.integration
def test_ten_workers_together_leave_what_is_kept_of_the_hour(
    own: Installation, strict: FastTime, tmp_path: Path, cache_url: str
) -> None:
    names = owners(own, shards(10))
    runs = [each for name in names for each in history(own, name, count=40)]
    own.server.rate_limit = 200
    # They end when the minute's limit leaves nothing for so long, and the hour's for longer.
    work(own, tmp_path, strict, 10, longest_wait_seconds=70)
    assert own.server.refusals == {}
    assert 100 < own.server.traffic.statuses[200] <= 0.9 * 200
    # The next hour, of which the cache knows nothing yet.
    own.server.rate_limit = 5_000
    own.clock.advance(60 * MINUTE)
    with redis.Redis.from_url(cache_url) as cache:
        cache.flushall()
    enforce(own, strict)
    work(own, tmp_path, strict, 10)
    assert own.server.refusals == {}
    # What the first polls could not do stands in their rows.
    assert own.attempts() == attempts_of(*runs)
    assert own.jobs() == jobs_of(*runs)


@pytest.mark.thorough
@pytest.mark.integration
def test_workers_of_several_installations_are_as_many_times_as_fast(
    own: Installation, strict: FastTime, tmp_path: Path
) -> None:
    names = owners(own, shards(4))
    own.settings = as_app(own.settings, own.world, names)
    runs = history(own, names[0], count=400)
    alone = work(own, tmp_path / "alone", strict, 1)
    for name in names[1:]:
        runs += history(own, name, count=400)
    minutes = work(own, tmp_path / "together", strict, 4)
    assert own.server.refusals == {}
    assert_exact(own, runs, 4)
    assert minutes < 1.7 * alone
