"""*Sweep*, daily: the runs of the last 31 days are listed again, and compared with what is stored.

This finds re-runs of old runs, what webhooks and polls missed, and runs that were deleted. Older
runs change no more (GitHub lets nobody re-run them), but they vanish: their number is compared.
"""

import logging
from collections.abc import Collection
from datetime import datetime, timedelta
from functools import partial

from actionsight.backlog import SWEEP_DUE_AFTER
from actionsight.github.errors import UnexpectedResponseError
from actionsight.github.pagination import PER_PAGE
from ingestion.github.loops.failures import has_no_runs, settle
from ingestion.github.loops.head import CLOCK_MARGIN
from ingestion.github.runs.attempts import RunIntake
from ingestion.github.runs.deleted import check_unlisted
from ingestion.github.runs.listing import (
    count_created,
    count_runs,
    created_between,
    read_through,
    read_window,
)
from ingestion.github.runs.writer import RunLoad
from ingestion.github.state.backfill_windows import SECOND, Window
from ingestion.github.state.repositories import Repository, save_swept_at
from ingestion.github.state.runs import first_created, run_count, runs_created
from ingestion.github.sync import Cycle, Expected, Tally, Turn

logger = logging.getLogger(__name__)

REACH = timedelta(days=31)


def is_due(repository: Repository, now: datetime) -> bool:
    """Whether a repository was not swept within the last day; one that is new needs no sweep."""
    if repository.head_since is None:
        return False
    last = repository.swept_at or repository.head_since
    return now - last >= SWEEP_DUE_AFTER


def sweep(cycle: Cycle, tally: Tally, repositories: Collection[Repository]) -> None:
    """Sweep these repositories, one after the other; few of them have enough for a load."""
    load = RunLoad(cycle, tally)
    for number, repository in enumerate(repositories, start=1):
        if cycle.is_over:
            logger.info("sweep: the next one goes on with %s", repository.full_name)
            break
        turn = cycle.begin(repository, "sweep")
        try:
            _sweep(cycle, turn, load)
        except Expected as error:
            if not has_no_runs(cycle, turn, error):
                settle(cycle, turn, error)
                continue
        load.when_loaded(turn, partial(_end, cycle, turn))
        load.when_full()
        logger.info(
            "sweep: %s: %d attempts seen, by %d requests (%d of %d repositories)",
            repository.full_name,
            turn.poll.seen,
            turn.client.request_count,
            number,
            len(repositories),
        )
    load.flush()


def _sweep(cycle: Cycle, turn: Turn, load: RunLoad) -> None:
    now = cycle.latest_now
    begins = (now - REACH).replace(microsecond=0)
    intake = RunIntake(cycle, turn, load)
    for window, read in read_through(turn, begins, now + CLOCK_MARGIN):
        intake.take(read)
        known = _stored(cycle, window)
        _check(cycle, turn, load, intake, known - read.run_ids)
        load.when_full()
    first = first_created(cycle.connection, turn.repository.repository_id)
    if first is not None and first < begins:
        _find_vanished(
            cycle, turn, load, intake, Window(turn.repository.repository_id, first, begins - SECOND)
        )
    intake.finish()


def _find_vanished(
    cycle: Cycle, turn: Turn, load: RunLoad, intake: RunIntake, whole: Window
) -> None:
    """Find runs that GitHub has no more, by their number in ever smaller windows."""
    todo = [whole]
    while todo:
        window = todo.pop()
        known = _stored(cycle, window)
        if not known:
            continue
        created = created_between(window.starts_at, window.ends_at)
        count = count_created(turn, created)
        if count >= len(known):
            continue
        if count == 0 or window.is_one_second:
            unlisted = known
        elif len(known) <= PER_PAGE:
            unlisted = known - read_window(turn, created).run_ids
        else:
            todo += window.halves()
            continue
        _check(cycle, turn, load, intake, unlisted)
        load.when_full()


def _check(
    cycle: Cycle, turn: Turn, load: RunLoad, intake: RunIntake, unlisted: Collection[int]
) -> None:
    """Ask for what was not listed; not for each of many that a search that is stale left out."""
    if len(unlisted) > PER_PAGE:
        count = run_count(cycle.connection, turn.repository.repository_id)
        if count_runs(turn) >= count:
            raise UnexpectedResponseError(
                f"GitHub's search leaves out {len(unlisted)} runs that it has: it is tried again"
            )
    check_unlisted(cycle, turn, load, intake, unlisted)


def _stored(cycle: Cycle, window: Window) -> set[int]:
    return runs_created(cycle.connection, window.repository_id, window.starts_at, window.ends_at)


def _end(cycle: Cycle, turn: Turn) -> None:
    save_swept_at(cycle.connection, turn.repository.repository_id, turn.poll.started_at)
    cycle.finish(turn)
