"""*Sweep*, daily: the runs of the last 31 days are listed again, and compared with what is stored.

This finds re-runs of old runs, what webhooks and polls missed, and runs that were deleted. Older
runs change no more (GitHub lets nobody re-run them), but they vanish: their number is compared.
"""

import logging
from collections.abc import Collection
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from psycopg import Connection

from actionsight.backlog import SWEEP_DUE_AFTER
from actionsight.github.errors import MissingError, UnexpectedResponseError
from actionsight.github.pagination import PER_PAGE
from ingestion.github.loops.failures import failure_recorded, has_no_runs
from ingestion.github.loops.head import CLOCK_MARGIN
from ingestion.github.poll import RepositoryPoll
from ingestion.github.results import Counts
from ingestion.github.runs.attempts import RunCollector
from ingestion.github.runs.deleted import check_unlisted
from ingestion.github.runs.listing import (
    count_created,
    count_runs,
    created_between,
    read_through,
    read_window,
)
from ingestion.github.runs.writer import RunWriter
from ingestion.github.state.backfill_windows import SECOND, Window
from ingestion.github.state.repositories import Repository, save_swept_at
from ingestion.github.state.runs import first_created, run_count, runs_created
from ingestion.github.sync import Sync

logger = logging.getLogger(__name__)

REACH = timedelta(days=31)


def is_due(repository: Repository, now: datetime) -> bool:
    """Whether a repository was not swept within the last day; one that is new needs no sweep."""
    if repository.head_since is None:
        return False
    last = repository.swept_at or repository.head_since
    return now - last >= SWEEP_DUE_AFTER


def sweep(sync: Sync, counts: Counts, repositories: Collection[Repository]) -> None:
    """Sweep these repositories, one after the other; few of them have enough for a load."""
    writer = RunWriter(sync.loader, counts)
    for number, repository in enumerate(repositories, start=1):
        if sync.is_over:
            logger.info("sweep: the next one goes on with %s", repository.full_name)
            break
        poll = sync.begin(repository, "sweep")
        with failure_recorded(poll):
            try:
                _sweep(RunCollector(poll, writer))
            except MissingError:
                if not has_no_runs(poll):
                    raise
            writer.when_loaded(poll, partial(_end, poll))
            logger.info(
                "sweep: %s: %d attempts seen, by %d requests (%d of %d repositories)",
                repository.full_name,
                poll.row.seen,
                poll.client.request_count,
                number,
                len(repositories),
            )
        writer.flush_when_full()
    writer.flush()


def _sweep(collector: RunCollector) -> None:
    poll, now = collector.poll, collector.poll.clock.latest_now
    connection, repository_id = poll.connection, poll.repository.repository_id
    begins = (now - REACH).replace(microsecond=0)
    for window, read in read_through(poll, begins, now + CLOCK_MARGIN):
        collector.take(read)
        _check(collector, _stored(connection, window) - read.run_ids)
    first = first_created(connection, repository_id)
    if first is not None and first < begins:
        _find_vanished(collector, Window(repository_id, first, begins - SECOND))
    collector.finish()


def _find_vanished(collector: RunCollector, whole: Window) -> None:
    """Find runs that GitHub has no more, by their number in ever smaller windows."""
    todo = [whole]
    while todo:
        window = todo.pop()
        known = _stored(collector.poll.connection, window)
        if not known:
            continue
        created = created_between(window.starts_at, window.ends_at)
        count = count_created(collector.poll, created)
        if count >= len(known):
            continue
        if count == 0 or window.is_one_second:
            unlisted = known
        elif len(known) <= PER_PAGE:
            unlisted = known - read_window(collector.poll, created).run_ids
        else:
            todo += window.halves()
            continue
        _check(collector, unlisted)


def _check(collector: RunCollector, unlisted: Collection[int]) -> None:
    """Ask for what was not listed; not for each of many that a search that is stale left out."""
    if len(unlisted) > PER_PAGE:
        count = run_count(collector.poll.connection, collector.poll.repository.repository_id)
        if count_runs(collector.poll) >= count:
            raise UnexpectedResponseError(
                f"GitHub's search leaves out {len(unlisted)} runs that it has: it is tried again"
            )
    check_unlisted(collector, unlisted)
    collector.writer.flush_when_full()


def _stored(connection: Connection[Any], window: Window) -> set[int]:
    return runs_created(connection, window.repository_id, window.starts_at, window.ends_at)


def _end(poll: RepositoryPoll) -> None:
    save_swept_at(poll.connection, poll.repository.repository_id, poll.row.started_at)
    poll.finish()
