"""A generated year of a repository, collected exactly; and a history whose collection is killed
again and again."""

import logging
import os
import random
import re
import signal
import threading
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from werkzeug.wrappers import Request

from actionsight.github.pagination import LISTING_CAP
from github_standin.histories.generated import Sizes, generate
from ingestion.github.runs.listing import created_between
from tests.ingestion import killable_commands
from tests.ingestion.assertions import assert_exact
from tests.ingestion.factories import LISTED, Installation
from tests.support.services import Databases

logger = logging.getLogger(__name__)

pytestmark = pytest.mark.integration

NAME = "octo/generated"
# More than the gate has time for: the whole year is 20,000.
RUNS = int(os.environ.get("ACTIONSIGHT_TEST_YEAR_RUNS", "150"))
IS_WHOLE = RUNS >= 5_000
KILLS = int(os.environ.get("ACTIONSIGHT_TEST_KILLS", "6"))
PATIENCE_SECONDS = 60
"""How long a process may take to come to its end."""


@pytest.mark.timeout(3_600 if IS_WHOLE else 240)
def test_a_year_with_a_day_of_more_runs_than_a_listing_shows_is_collected_exactly(
    own: Installation, request: pytest.FixtureRequest
) -> None:
    if not IS_WHOLE:
        request.getfixturevalue("short_listings")
    own.server.rate_limit = None
    sizes = Sizes(
        runs=RUNS, busiest_day=max(LISTED + 5, RUNS // 13), matrices=2, extra_attempts=None
    )
    made = generate(own.world, sizes, until=own.clock.now - timedelta(days=1))
    own.settings = replace(own.settings, backfill_days=366)
    own.monitor(NAME)

    results = own.collect()

    assert results[-1].troubles == {}
    assert_exact(own, least=made.attempt_count)
    assert len(own.jobs()) == made.job_count
    assert own.query("select * from raw.owed_job_listings") == []
    windows = own.query("select * from raw.backfill_windows")
    assert sum(row["run_count"] for row in windows) == made.run_count
    assert max(row["run_count"] for row in windows) < (LISTING_CAP if IS_WHOLE else LISTED)
    requests = len(own.paths())
    logger.info("%d attempts, %d jobs: %d requests", made.attempt_count, made.job_count, requests)

    own.collect()
    assert len(own.paths()) == 1


@dataclass(frozen=True)
class Stored:
    """What no request may ask for again: windows, runs' jobs, attempts."""

    windows: set[str]
    listings: set[int]
    attempts: set[tuple[int, int]]

    @classmethod
    def of(cls, own: Installation) -> "Stored":
        """What is stored now."""
        windows = own.query("select * from raw.backfill_windows where completed_at is not null")
        listed = own.query(
            """
            select run_id from raw.job_listings where run_updated_at is not null
            except select run_id from raw.owed_job_listings
            """
        )
        attempts = own.query("select run_id, run_attempt from raw.workflow_runs")
        return cls(
            {created_between(row["starts_at"], row["ends_at"]) for row in windows},
            {row["run_id"] for row in listed},
            {(row["run_id"], row["run_attempt"]) for row in attempts},
        )

    def asked_again(self, own: Installation) -> list[str]:
        """The requests since the last call for what was stored before."""
        again = [
            logged.path
            for logged in own.server.requests
            if logged.query.get("created") in self.windows or self._has(logged.path)
        ]
        own.server.requests.clear()
        return again

    def _has(self, path: str) -> bool:
        found = re.search(r"/runs/(\d+)(?:/attempts/(\d+))?(/jobs)?$", path)
        if found is None:
            return False
        run_id, number, of_jobs = found.groups()
        if of_jobs:
            return int(run_id) in self.listings
        return number is not None and (int(run_id), int(number)) in self.attempts


class Killer:
    """Kills processes that collect, at a request, or a little later, when it may be loading."""

    def __init__(self, own: Installation, chance: random.Random) -> None:
        self._own = own
        self._chance = chance

    def kill(self) -> None:
        """Let a process collect, and kill it."""
        left = [self._chance.randint(1, 48)]
        later = self._chance.choice((0.0, 0.0, self._chance.uniform(0.01, 0.3)))
        process = killable_commands.forked(
            killable_commands.collect, self._own.settings.environment()
        )
        lock = threading.Lock()

        def fault(_request: Request) -> None:
            with lock:
                left[0] -= 1
                is_the_one = left[0] == 0
            if is_the_one:
                time.sleep(later)
                process.kill()

        self._own.server.fault = fault
        process.start()
        process.join(PATIENCE_SECONDS)
        self._own.server.fault = None
        assert process.exitcode == -signal.SIGKILL


@pytest.mark.thorough
def test_a_backfill_that_is_killed_at_random_moments_ends_with_the_rows_of_an_undisturbed_one(
    own: Installation, postgres_server: Databases, tmp_path: Path
) -> None:
    own.clock.now = datetime.now(UTC).replace(microsecond=0)
    own.server.rate_limit = None
    own.settings = replace(own.settings, backfill_days=60)
    sizes = Sizes(runs=20 * KILLS, days=55, busiest_day=100, extra_attempts=KILLS, matrices=1)
    made = generate(own.world, sizes)
    own.monitor(NAME)
    own.collect("head", "open")
    killer = Killer(own, random.Random(6))  # noqa: S311 the moments are to be the same ones again
    progress = []
    for _ in range(KILLS):
        stored = Stored.of(own)
        own.paths()
        killer.kill()
        assert stored.asked_again(own) == []
        progress.append((len(stored.windows), len(stored.listings)))
    logger.info("windows and listings before each kill: %s", progress)
    assert progress == sorted(progress)
    assert progress[-1][0] > 1, "some windows were read in between"
    assert progress[-1][1] > KILLS, "and some jobs were listed"

    stored = Stored.of(own)
    results = own.collect()

    assert results[-1].troubles == {}
    assert stored.asked_again(own) == []
    assert_exact(own, least=made.attempt_count)
    with postgres_server.migrated() as url:
        undisturbed = replace(
            own,
            settings=replace(
                own.settings, database_url=url, read_database_url=url, data_dir=tmp_path / "other"
            ),
        )
        undisturbed.monitor(NAME)
        undisturbed.collect()
        assert undisturbed.everything() == own.everything()
