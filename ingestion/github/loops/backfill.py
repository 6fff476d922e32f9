"""*Backfill*: the history of runs, in windows of creation time, newest first.

Each window is halved until it holds less than GitHub shows; it is a checkpoint in PostgreSQL, so
that nothing that is stored is asked for again, wherever the process ended.
"""

import logging
from collections import deque
from collections.abc import Collection
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

from actionsight.github.errors import MissingError, RateLimitError, UnexpectedResponseError
from ingestion.github.concurrency import BoundedPool
from ingestion.github.loops.failures import has_no_runs, settle
from ingestion.github.runs.attempts import RunIntake
from ingestion.github.runs.listing import ReadWindow, count_runs, read_whole, runs_listed
from ingestion.github.runs.writer import RunLoad
from ingestion.github.state import backfill_windows
from ingestion.github.state.backfill_windows import BackfillProgress, Window
from ingestion.github.state.repositories import Repository, still_monitored
from ingestion.github.state.runs import run_count
from ingestion.github.sync import Cycle, Expected, Tally, Turn

logger = logging.getLogger(__name__)

# Each holds up to a thousand runs in memory while it is read, and twice as many are under way.
WIDTH = 4


class Watcher(Protocol):
    """Who wants to see how far the backfill has come."""

    def __call__(self, repository: Repository, progress: BackfillProgress, runs: int) -> None:
        """After each window of a repository."""
        ...


def backfill(
    cycle: Cycle,
    tally: Tally,
    repositories: Collection[Repository],
    since: datetime | None,
    watch: Watcher | None = None,
) -> None:
    """Read the history that is owed, to `since`, else as far back as the settings say."""
    days = timedelta(days=cycle.settings.backfill_days)
    target = (since or cycle.clock() - days).replace(microsecond=0)
    turns: dict[int, Turn] = {}
    for repository in repositories:
        if repository.head_since is not None:
            # Also where the settings, or an earlier `--since`, wanted less than is wanted now.
            if repository.backfill_target is None or target < repository.backfill_target:
                backfill_windows.plan(
                    cycle.connection, repository.repository_id, target, repository.head_since
                )
            elif since is not None:
                # Who asks for days that are there already does not believe that they are whole.
                backfill_windows.read_again(cycle.connection, repository.repository_id, target)
            turns[repository.repository_id] = cycle.begin(repository, "backfill")
    _Backfill(cycle, tally, turns, watch).run()


class _Backfill:
    """The windows of all repositories on their way from GitHub to their checkpoints."""

    def __init__(
        self, cycle: Cycle, tally: Tally, turns: dict[int, Turn], watch: Watcher | None
    ) -> None:
        self._cycle = cycle
        self._turns = turns
        self._watch = watch
        self._load = RunLoad(cycle, tally)
        self._todo = deque(backfill_windows.unread(cycle.connection, turns.keys()))
        self._touched = {window.repository_id for window in self._todo}
        self._failed: set[int] = set()

    def run(self) -> None:
        """Read all windows; one repository's failure stops its own windows alone."""
        with BoundedPool(self._ask, WIDTH) as pool:
            while self._todo or pool.is_busy:
                while self._todo and pool.has_room:
                    window = self._todo.popleft()
                    if window.repository_id not in self._failed:
                        pool.submit(window)
                if pool.is_busy:
                    window, outcome = pool.next_done()
                    turn = self._turns[window.repository_id]
                    try:
                        self._take(turn, window, outcome.result())
                    except Expected as error:
                        if has_no_runs(self._cycle, turn, error):
                            self._take_none(turn, window)
                        else:
                            self._fail(turn, error)
                    self._load.when_full()
                if self._cycle.is_over and self._todo:
                    logger.info("backfill: %d windows are left to the next one", len(self._todo))
                    self._failed |= {window.repository_id for window in self._todo}
                    self._todo.clear()
        self._load.flush()
        for repository_id in self._touched - self._failed:
            turn = self._turns[repository_id]
            try:
                self._prove(turn)
                self._cycle.finish(turn)
            except Expected as error:
                self._fail(turn, error)

    def _prove(self, turn: Turn) -> None:
        """Hold the windows, which are searches, against the listing of all runs, when the last of
        them is read; those that showed too little are read again by the next backfill.

        Raises:
            GitHubError: GitHub has runs that the windows did not show.
        """
        connection, repository_id = self._cycle.connection, turn.repository.repository_id
        claimed = backfill_windows.claimed(connection, repository_id)
        if not claimed:
            return
        try:
            newest = max(window.ends_at for window in claimed)
            newer = run_count(connection, repository_id, after=newest)
            if count_runs(turn) <= sum(claimed.values()) + newer:
                return
            listed = list(runs_listed(turn, claimed))
        except MissingError as error:
            if has_no_runs(self._cycle, turn, error):
                return
            raise
        lacking = [window for window, count in listed if count > claimed[window]]
        if lacking:
            backfill_windows.reopen(connection, repository_id, lacking)
            raise UnexpectedResponseError(
                f"GitHub's search showed {sum(claimed.values()):,} of "
                f"{sum(count for _, count in listed):,} runs: what it left out is read again later"
            )

    def _ask(self, window: Window) -> ReadWindow | None:
        return read_whole(self._turns[window.repository_id], window)

    def _take(self, turn: Turn, window: Window, read: ReadWindow | None) -> None:
        if not still_monitored(self._cycle.connection, [window.repository_id]):
            self._failed.add(window.repository_id)
        elif read is None:
            backfill_windows.halve(self._cycle.connection, window)
            self._todo.extendleft(window.halves())
        else:
            intake = RunIntake(self._cycle, turn, self._load)
            intake.take(read)
            intake.finish()
            self._load.when_loaded(turn, partial(self._complete, turn, window, read))

    def _complete(self, turn: Turn, window: Window, read: ReadWindow) -> None:
        backfill_windows.complete(
            self._cycle.connection,
            window,
            run_count=len(read.run_ids) + len(read.left_out),
            request_count=read.page_count,
            is_capped=read.is_too_much,
            completed_at=self._cycle.clock(),
        )
        backfill_windows.save_progress(self._cycle.connection, window.repository_id)
        self._cycle.save(turn)
        progress = backfill_windows.progress(self._cycle.connection, window.repository_id)
        logger.info(
            "%s: history of runs: %d of %d windows, %s attempts so far, by %s requests",
            turn.repository.full_name,
            progress.completed_count,
            progress.window_count,
            f"{turn.poll.seen:,}",
            f"{turn.client.request_count:,}",
        )
        if self._watch is not None:
            self._watch(turn.repository, progress, turn.poll.seen)

    def _take_none(self, turn: Turn, window: Window) -> None:
        """A window of a repository without Actions is read."""
        self._load.when_loaded(turn, partial(self._complete, turn, window, ReadWindow()))

    def _fail(self, turn: Turn, error: Exception) -> None:
        if turn.repository.repository_id in self._failed:
            return
        self._failed.add(turn.repository.repository_id)
        if isinstance(error, RateLimitError) and not self._cycle.is_watched:
            # The backfill spends what is left over: it goes on when there is more.
            logger.info("%s: %s", turn.repository.full_name, error)
            self._cycle.save(turn)
        else:
            settle(self._cycle, turn, error)
