"""Stage 2: runs with all their attempts, by three loops.

*Backfill* reads history in windows of creation time, newest first, each halved until it holds less
than GitHub's cap. *Head* lists what was created since the newest run seen, with an hour to spare.
*Open* asks again for every stored run that can still change, however old it is.
"""

import logging
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from ingestion.github import state, stored
from ingestion.github.cycle import Cycle, Tally
from ingestion.github.loading import Batch
from ingestion.github.loops.attempts import RunReader
from ingestion.github.order import run_order
from ingestion.github.rest.endpoints import LISTING_CAP, Listing, Payload, listing, timestamp
from ingestion.github.rest.errors import MissingError
from ingestion.github.state import Poll, Repository

logger = logging.getLogger(__name__)

HEAD_OVERLAP = timedelta(hours=1)
# Clocks differ; a window that ends a little in the future still holds every run there is.
CLOCK_MARGIN = timedelta(minutes=1)
# A run that is missing so soon may just not have arrived everywhere at GitHub.
SETTLED_AFTER = timedelta(days=1)
_SECOND = timedelta(seconds=1)
_ROWS_PER_LOAD = 5_000


def collect_runs(cycle: Cycle, tally: Tally, since: datetime | None) -> None:
    """Collect history that is owed, then what is new, then what was open."""
    target = since or cycle.clock() - timedelta(days=cycle.settings.backfill_days)
    for repository in cycle.repositories():
        _backfill(cycle, tally, repository, target.replace(microsecond=0))
    listed = _head(cycle, tally)
    _open(cycle, tally, listed)


def _backfill(cycle: Cycle, tally: Tally, repository: Repository, target: datetime) -> None:
    if repository.backfilled_from is None:
        end = _now_at_least(cycle) + CLOCK_MARGIN
    else:
        end = repository.backfilled_from - _SECOND
    if target > end:
        return
    poll = cycle.poll(repository, "backfill")
    with cycle.fetching(repository, poll):
        requests_before = cycle.client.request_count
        for start, stop, payloads in _windows(cycle, repository, target, end):
            batch = Batch(run_order)
            reader = RunReader(cycle, repository, batch, tally)
            for page in payloads:
                reader.read(page)
            cycle.load("github_runs", batch, {repository.repository_id: poll}, tally)
            reader.finish()
            poll.seen += reader.seen
            state.save_backfill(
                cycle.connection,
                repository.repository_id,
                backfilled_from=start,
                head_cursor=reader.newest_created_at or start,
            )
            state.save_poll(cycle.connection, poll)
            _report(cycle, repository, start, stop, reader, requests_before)
    if poll.error is None:
        cycle.finish(poll)


def _head(cycle: Cycle, tally: Tally) -> dict[int, set[int]]:
    """List the newest runs of all repositories; give the ids listed, by repository."""
    listed: dict[int, set[int]] = {}
    load = _Load(cycle, tally)
    for repository in cycle.repositories():
        if repository.head_cursor is None:
            continue
        poll = load.begin(repository, "head")
        reader = RunReader(cycle, repository, load.batch, tally)
        with cycle.fetching(repository, poll):
            for page in _since(cycle, repository, repository.head_cursor - HEAD_OVERLAP):
                reader.read(page)
                load.when_full()
            reader.finish()
        poll.seen = reader.seen
        listed[repository.repository_id] = reader.run_ids
        if poll.error is None:
            load.end(poll, reader.newest_created_at)
    load.finish()
    return listed


def _open(cycle: Cycle, tally: Tally, listed: dict[int, set[int]]) -> None:
    """Ask again for runs that can still change, but for those that were just listed."""
    load = _Load(cycle, tally)
    for repository in cycle.repositories():
        poll = load.begin(repository, "open")
        known = listed.get(repository.repository_id, set())
        reader = RunReader(cycle, repository, load.batch, tally)
        with cycle.fetching(repository, poll):
            for run in stored.open_runs(cycle.connection, repository.repository_id):
                if run.run_id in known:
                    continue
                try:
                    reader.read_run(run.run_id)
                except MissingError as error:
                    settled = cycle.clock() - SETTLED_AFTER
                    if run.created_at is None or run.created_at < settled:
                        reader.note_missing((run.run_id, run.run_attempt), error)
                load.when_full()
            reader.finish()
        poll.seen = reader.seen
        if poll.error is None:
            load.end(poll, None)
    load.finish()


class _Load:
    """Runs of many repositories on their way into few loads, and the loops that they complete."""

    def __init__(self, cycle: Cycle, tally: Tally) -> None:
        self.batch = Batch(run_order)
        self._cycle = cycle
        self._tally = tally
        self._polls: dict[int, Poll] = {}
        self._read: list[tuple[Poll, datetime | None]] = []

    def begin(self, repository: Repository, loop: str) -> Poll:
        """The loop of a repository, whose rows come next."""
        poll = self._polls[repository.repository_id] = self._cycle.poll(repository, loop)
        return poll

    def end(self, poll: Poll, cursor: datetime | None) -> None:
        """All rows of a repository are in the batch: its loop ends with the next load."""
        self._read.append((poll, cursor))
        if len(self.batch) >= _ROWS_PER_LOAD:
            self.finish()

    def when_full(self) -> None:
        """Load when there is enough, in the midst of a repository."""
        if len(self.batch) >= _ROWS_PER_LOAD:
            self._cycle.load("github_runs", self.batch, self._polls, self._tally)

    def finish(self) -> None:
        """Load; then move the cursors and write the rows of raw.polls."""
        self._cycle.load("github_runs", self.batch, self._polls, self._tally)
        for poll, cursor in self._read:
            if cursor is not None:
                state.save_head_cursor(self._cycle.connection, poll.repository_id, cursor)
            self._cycle.finish(poll)
        self._read.clear()


def _since(cycle: Cycle, repository: Repository, start: datetime) -> Iterator[list[Payload]]:
    """Pages of the runs created since `start`; by windows when there are too many for a listing."""
    pages = listing(
        cycle.client,
        f"/repos/{repository.full_name}/actions/runs",
        "workflow_runs",
        created=f">={timestamp(start)}",
    )
    first = next(pages)
    if first.total_count < LISTING_CAP:
        yield from _payloads(first, pages)
        return
    end = _now_at_least(cycle) + CLOCK_MARGIN
    for _, _, window in _windows(cycle, repository, start, end):
        yield from window


def _windows(
    cycle: Cycle, repository: Repository, start: datetime, end: datetime
) -> Iterator[tuple[datetime, datetime, Iterable[list[Payload]]]]:
    """Windows of creation time that cover `start` to `end` (both included), newest first, each with
    the pages of its runs; a window with more runs than a listing shows is halved."""
    todo = [(start.replace(microsecond=0), end.replace(microsecond=0))]
    while todo:
        first, last = todo.pop()
        pages = listing(
            cycle.client,
            f"/repos/{repository.full_name}/actions/runs",
            "workflow_runs",
            created=f"{timestamp(first)}..{timestamp(last)}",
        )
        probe = next(pages)
        if probe.total_count >= LISTING_CAP:
            if first < last:
                middle = first + timedelta(seconds=int((last - first).total_seconds()) // 2)
                todo += [(first, middle), (middle + _SECOND, last)]
                continue
            logger.error(
                "%s: %d runs were created in the second %s, GitHub shows the newest %d of them: "
                "the others cannot be collected",
                repository.full_name,
                probe.total_count,
                timestamp(first),
                LISTING_CAP,
            )
        yield first, last, _payloads(probe, pages)


def _payloads(first: Listing, rest: Iterator[Listing]) -> Iterator[list[Payload]]:
    yield first.payloads
    for page in rest:
        yield page.payloads


def _now_at_least(cycle: Cycle) -> datetime:
    now = cycle.clock()
    return max(now, cycle.client.server_time or now)


def _report(
    cycle: Cycle,
    repository: Repository,
    start: datetime,
    stop: datetime,
    reader: RunReader,
    requests_before: int,
) -> None:
    limit = cycle.client.rate_limit
    logger.info(
        "%s: runs created from %s to %s: %d attempts; %d requests so far%s",
        repository.full_name,
        timestamp(start),
        timestamp(stop),
        reader.seen,
        cycle.client.request_count - requests_before,
        f", {limit.remaining:,} of {limit.limit:,} left" if limit else "",
    )
