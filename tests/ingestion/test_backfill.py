"""The backfill's checkpoints: windows that are read once, whatever comes in between."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from werkzeug.wrappers import Request

from github_standin.server.server import Fault
from github_standin.world.model import Workflow
from ingestion.github import stages
from ingestion.github.loops import backfill, jobs
from ingestion.github.results import StageResult
from ingestion.github.runs import writer
from ingestion.github.state.backfill_windows import SECOND, BackfillProgress, save_progress
from ingestion.github.state.repositories import Repository
from ingestion.github.sync import Loop
from tests.ingestion.assertions import assert_exact
from tests.ingestion.factories import LISTED, MINUTE, PAGE, START, Installation, run, workflow

pytestmark = pytest.mark.integration

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
NAME = "octo/hello"


def many(own: Installation, of: Workflow, count: int, begins: datetime, every: timedelta) -> None:
    """Runs without jobs."""
    for number in range(count):
        at = begins + number * every
        own.world.add_run(of, at, ended_at=at + MINUTE)


def collect_runs(own: Installation, *loops: Loop, **options: Any) -> StageResult:
    """A poll that leaves out the jobs."""
    progress = options.pop("progress", stages.NO_PROGRESS)
    with own.sync(*loops, **options) as sync:
        stages.collect_repositories(sync)
        return stages.collect_runs(sync, progress=progress)


def asked_for(own: Installation) -> list[str]:
    """The `created` filters of all listings of runs since the last call."""
    asked = [logged.query["created"] for logged in own.server.requests if "created" in logged.query]
    own.server.requests.clear()
    return asked


def windows(own: Installation) -> dict[str, dict[str, Any]]:
    """The windows by the filter that stands for them."""
    rows = own.query("select * from raw.backfill_windows order by starts_at")
    form = "%Y-%m-%dT%H:%M:%SZ"
    return {f"{row['starts_at']:{form}}..{row['ends_at']:{form}}": row for row in rows}


def over_at(own: Installation, path_end: str, number: int) -> Fault:
    """Time is up when so many requests for such a path have come."""
    left = [number]

    def fault(request: Request) -> None:
        left[0] -= request.path.endswith(path_end)
        if left[0] == 0:
            own.clock.advance(HOUR)

    return fault


@pytest.mark.usefixtures("short_listings")
def test_windows_are_halved_read_once_and_resumed_where_they_were_left(
    own: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    own.server.rate_limit = None
    monkeypatch.setattr(writer, "ROWS_PER_LOAD", 50)
    monkeypatch.setattr(backfill, "WIDTH", 1)
    many(own, workflow(own.world), 230, START - 29 * DAY, 170 * MINUTE)
    own.monitor(NAME)
    collect_runs(own, "head", "open")
    asked_for(own)
    shown: list[tuple[int, int, float]] = []

    def watch(repository: Repository, progress: BackfillProgress, runs: int) -> None:
        assert (repository.full_name, runs > 0) == (NAME, True)
        shown.append((progress.completed_count, progress.window_count, progress.share))

    progress = stages.Progress(windows=watch)
    own.server.fault = over_at(own, "/runs", 8)
    collect_runs(own, "backfill", until=own.now() + MINUTE, progress=progress)
    own.server.fault = None

    first = asked_for(own)
    planned = windows(own)
    done = {created for created, row in planned.items() if row["completed_at"] is not None}
    state = own.repository(NAME)
    assert 0 < len(done) < len(planned)
    assert (state["backfill_windows"], state["backfill_windows_completed"]) == (
        len(planned),
        len(done),
    )
    newest_gap = max(planned[created]["ends_at"] for created in planned.keys() - done)
    assert state["backfilled_from"] == newest_gap + timedelta(seconds=1)
    assert state["trouble"] is None
    assert {row["run_count"] for row in planned.values()} - {None} != set()
    assert len(own.attempts()) == sum(row["run_count"] or 0 for row in planned.values())

    collect_runs(own, "backfill", progress=progress)

    second = asked_for(own)
    assert done.isdisjoint(second), "what is stored is not asked for again"
    assert_exact(own, least=230, has_jobs=False)
    planned = windows(own)
    assert all(row["completed_at"] for row in planned.values())
    assert not any(row["is_capped"] for row in planned.values())
    assert sum(row["run_count"] for row in planned.values()) == 230
    assert all(row["run_count"] < LISTED for row in planned.values())
    assert sum(row["request_count"] for row in planned.values()) == len(first + second)
    # Full pages, and a probe for each time that a window was halved.
    pages = sum(-(-row["run_count"] // PAGE) for row in planned.values())
    assert len(first + second) == pages + len(planned) - 1
    state = own.repository(NAME)
    assert state["backfilled_from"] == state["backfill_target"] == START - 30 * DAY
    assert [done for done, _, _ in shown] == list(range(1, len(planned) + 1))
    assert shown[-1] == (len(planned), len(planned), 1.0)
    shares = [share for _, _, share in shown]
    assert shares == sorted(shares)

    collect_runs(own, "backfill")
    assert asked_for(own) == []


@pytest.mark.usefixtures("short_listings")
def test_what_came_in_while_nobody_polled_is_read_in_windows(own: Installation) -> None:
    own.server.rate_limit = None
    ci = workflow(own.world)
    many(own, ci, 3, START - 50 * MINUTE, MINUTE)
    own.monitor(NAME)
    own.collect()
    outage = 2 * DAY
    many(own, ci, 110, START + MINUTE, outage / 120)
    own.clock.advance(outage)
    many(own, ci, 2, own.clock.now - 30 * MINUTE, MINUTE)

    collect_runs(own, "head", "open")
    # What is newest is there at once, the gap is planned.
    (gap,) = [row for row in windows(own).values() if row["completed_at"] is None]
    assert own.clock.now - HOUR - timedelta(seconds=2) <= gap["ends_at"] < own.clock.now - HOUR
    assert 0 < len(own.attempts()) < 10
    own.paths()
    collect_runs(own, "head", "open")
    assert own.paths().count(f"/repos/{NAME}/actions/runs") == 1, "it goes on from where it is now"

    collect_runs(own, "backfill")
    assert_exact(own, least=115, has_jobs=False)
    state = own.repository(NAME)
    assert state["backfill_windows"] == state["backfill_windows_completed"] >= 3
    collect_runs(own, "backfill")
    assert_exact(own, least=115, has_jobs=False)


def test_jobs_that_were_listed_are_not_listed_again_after_an_end_in_between(
    own: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "_RUNS_PER_LOOK", 10)
    ci = workflow(own.world)
    for number in range(50):
        run(ci, own.world, START - 20 * DAY + number * 9 * HOUR)
    own.monitor(NAME)
    own.server.fault = over_at(own, "/jobs", 5)
    own.collect(until=own.now() + MINUTE)
    own.server.fault = None
    listed = {row["run_id"] for row in own.query("select run_id from raw.job_listings")}
    assert 5 <= len(listed) < 50
    assert own.repository(NAME)["job_listings_owed"] == 50 - len(listed)
    # By newest day.
    assert min(listed) > max(set(own.world.runs) - listed)
    own.paths()

    own.collect()
    again = [int(path.split("/")[6]) for path in own.paths() if path.endswith("/jobs")]
    assert len(again) == 50 - len(listed)
    assert listed.isdisjoint(again)
    assert_exact(own, least=50)
    assert own.repository(NAME)["job_listings_owed"] == 0


def test_a_longer_history_in_the_settings_is_owed_and_a_shorter_one_is_not(
    own: Installation,
) -> None:
    ci = workflow(own.world)
    for days in (10, 40, 80):
        run(ci, own.world, START - days * DAY)
    own.monitor(NAME)
    own.collect()
    own.settings = replace(own.settings, backfill_days=90)
    own.clock.advance(HOUR)
    own.collect("head", "backfill")
    assert_exact(own, least=3)
    assert own.repository(NAME)["backfilled_from"] == START + HOUR - 90 * DAY
    own.settings = replace(own.settings, backfill_days=5)
    own.paths()
    own.collect("backfill")
    assert own.paths() == []


def test_the_end_is_estimated_from_the_windows_of_the_last_hour(own: Installation) -> None:
    own.query(
        """
        insert into app.repositories (repository_id, full_name) values (5, 'octo/app') returning 1
        """
    )

    def complete(day: int, minutes: int | None) -> datetime | None:
        own.query(
            """
            insert into raw.backfill_windows (repository_id, starts_at, ends_at, completed_at)
            values (5, %s, %s, %s) returning 1
            """,
            START - (day + 1) * DAY,
            START - day * DAY - SECOND,
            None if minutes is None else START + minutes * MINUTE,
        )
        with own.connect() as connection:
            save_progress(connection, 5)
        end = own.repository("octo/app")["backfill_estimated_end"]
        assert end is None or isinstance(end, datetime)
        return end

    for day in (6, 7):
        assert complete(day, None) is None
    assert complete(1, -90) is None
    assert complete(2, 0) is None, "one window has no pace"
    # Two windows are left, at 20 minutes each since the last one.
    assert complete(3, 20) == START + 60 * MINUTE
    own.query("update raw.backfill_windows set completed_at = now() returning 1")
    with own.connect() as connection:
        save_progress(connection, 5)
    assert own.repository("octo/app")["backfill_estimated_end"] is None
