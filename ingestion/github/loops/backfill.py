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
from ingestion.github.loops.failures import has_no_runs, record_failure
from ingestion.github.poll import Expected, RepositoryPoll
from ingestion.github.results import Counts
from ingestion.github.runs.attempts import RunCollector
from ingestion.github.runs.listing import RunWindow, count_runs, read_whole, runs_listed
from ingestion.github.runs.writer import RunWriter
from ingestion.github.state import backfill_windows
from ingestion.github.state.backfill_windows import BackfillProgress, Window
from ingestion.github.state.repositories import Repository, still_monitored
from ingestion.github.state.runs import run_count
from ingestion.github.sync import Sync

logger = logging.getLogger(__name__)

# Each holds up to a thousand runs in memory while it is read, and twice as many are under way.
WIDTH = 4


class OnProgress(Protocol):
    """Who wants to see how far the backfill has come."""

    def __call__(self, repository: Repository, progress: BackfillProgress, runs: int) -> None:
        """After each window of a repository."""
        ...


def backfill(
    sync: Sync,
    counts: Counts,
    repositories: Collection[Repository],
    since: datetime | None,
    on_progress: OnProgress | None = None,
) -> None:
    """Read the history that is owed, to `since`, else as far back as the settings say."""
    days = timedelta(days=sync.settings.backfill_days)
    target = (since or sync.clock.now() - days).replace(microsecond=0)
    polls: dict[int, RepositoryPoll] = {}
    for repository in repositories:
        if repository.head_since is not None:
            # Also where the settings, or an earlier `--since`, wanted less than is wanted now.
            if repository.backfill_target is None or target < repository.backfill_target:
                backfill_windows.plan(
                    sync.connection, repository.repository_id, target, repository.head_since
                )
            elif since is not None:
                # Who asks for days that are there already does not believe that they are whole.
                backfill_windows.read_again(sync.connection, repository.repository_id, target)
            polls[repository.repository_id] = sync.begin(repository, "backfill")
    _Backfill(sync, counts, polls, on_progress).run()


class _Backfill:
    """The windows of all repositories on their way from GitHub to their checkpoints."""

    def __init__(
        self,
        sync: Sync,
        counts: Counts,
        polls: dict[int, RepositoryPoll],
        on_progress: OnProgress | None,
    ) -> None:
        self._sync = sync
        self._polls = polls
        self._on_progress = on_progress
        self._writer = RunWriter(sync.loader, counts)
        self._todo = deque(backfill_windows.unread(sync.connection, polls.keys()))
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
                    poll = self._polls[window.repository_id]
                    try:
                        self._take(poll, window, outcome.result())
                    except Expected as error:
                        if isinstance(error, MissingError) and has_no_runs(poll):
                            self._take_none(poll, window)
                        else:
                            self._fail(poll, error)
                    self._writer.flush_when_full()
                if self._sync.is_over and self._todo:
                    logger.info("backfill: %d windows are left to the next one", len(self._todo))
                    self._failed |= {window.repository_id for window in self._todo}
                    self._todo.clear()
        self._writer.flush()
        for repository_id in self._touched - self._failed:
            poll = self._polls[repository_id]
            try:
                _prove(poll)
                poll.finish()
            except Expected as error:
                self._fail(poll, error)

    def _ask(self, window: Window) -> RunWindow | None:
        return read_whole(self._polls[window.repository_id], window)

    def _take(self, poll: RepositoryPoll, window: Window, read: RunWindow | None) -> None:
        if not still_monitored(poll.connection, [window.repository_id], self._sync.shard.slots):
            self._failed.add(window.repository_id)
        elif read is None:
            backfill_windows.halve(poll.connection, window)
            self._todo.extendleft(window.halves())
        else:
            collector = RunCollector(poll, self._writer)
            collector.take(read)
            collector.finish()
            self._writer.when_loaded(poll, partial(self._complete, poll, window, read))

    def _complete(self, poll: RepositoryPoll, window: Window, read: RunWindow) -> None:
        backfill_windows.complete(
            poll.connection,
            window,
            run_count=len(read.run_ids) + len(read.left_out),
            request_count=read.page_count,
            is_capped=read.is_too_much,
            completed_at=poll.clock.now(),
        )
        backfill_windows.save_progress(poll.connection, window.repository_id)
        poll.save()
        progress = backfill_windows.progress(poll.connection, window.repository_id)
        logger.info(
            "%s: history of runs: %d of %d windows, %s attempts so far, by %s requests",
            poll.repository.full_name,
            progress.completed_count,
            progress.window_count,
            f"{poll.row.seen:,}",
            f"{poll.client.request_count:,}",
        )
        if self._on_progress is not None:
            self._on_progress(poll.repository, progress, poll.row.seen)

    def _take_none(self, poll: RepositoryPoll, window: Window) -> None:
        """A window of a repository without Actions is read."""
        self._writer.when_loaded(poll, partial(self._complete, poll, window, RunWindow()))

    def _fail(self, poll: RepositoryPoll, error: Exception) -> None:
        if poll.repository.repository_id in self._failed:
            return
        self._failed.add(poll.repository.repository_id)
        if isinstance(error, RateLimitError) and not self._sync.is_watched:
            # The backfill spends what is left over: it goes on when there is more.
            logger.info("%s: %s", poll.repository.full_name, error)
            poll.save()
        else:
            record_failure(poll, error)


def _prove(poll: RepositoryPoll) -> None:
    """Hold the windows, which are searches, against the listing of all runs, when the last of
    them is read; those that showed too little are read again by the next backfill.

    Raises:
        GitHubError: GitHub has runs that the windows did not show.
    """
    connection, repository_id = poll.connection, poll.repository.repository_id
    claimed = backfill_windows.claimed(connection, repository_id)
    if not claimed:
        return
    try:
        newest = max(window.ends_at for window in claimed)
        newer = run_count(connection, repository_id, after=newest)
        if count_runs(poll) <= sum(claimed.values()) + newer:
            return
        listed = list(runs_listed(poll, claimed))
    except MissingError:
        if has_no_runs(poll):
            return
        raise
    lacking = [window for window, count in listed if count > claimed[window]]
    if lacking:
        backfill_windows.reopen(connection, repository_id, lacking)
        raise UnexpectedResponseError(
            f"GitHub's search showed {sum(claimed.values()):,} of "
            f"{sum(count for _, count in listed):,} runs: what it left out is read again later"
        )
