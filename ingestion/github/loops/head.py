"""*Head*: the runs that were created since the newest one seen, with an hour to spare.

They are read from the listing of all runs, newest first: one that is filtered is a search.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from psycopg import Connection

from actionsight.github.errors import MissingError
from ingestion.github.clock import Clock
from ingestion.github.concurrency import map_concurrently
from ingestion.github.loops.failures import failure_recorded, has_no_runs
from ingestion.github.poll import RepositoryPoll
from ingestion.github.results import Counts
from ingestion.github.runs.attempts import AnotherRepositoryError, RunCollector
from ingestion.github.runs.listing import RunWindow, read_newest, read_through
from ingestion.github.runs.writer import RunWriter
from ingestion.github.state import backfill_windows
from ingestion.github.state.backfill_windows import SECOND, Window
from ingestion.github.state.etags import Etag, save_etag, stored_etags
from ingestion.github.state.repositories import (
    Repository,
    begin_head,
    known_workflows,
    save_head_cursor,
)
from ingestion.github.sync import Sync

OVERLAP = timedelta(hours=1)
# Clocks differ; a window that ends a little in the future still holds every run there is.
CLOCK_MARGIN = timedelta(minutes=1)
_LISTING = "head"


@dataclass(frozen=True)
class HeadListing:
    """What the head of a repository shows since `since`.

    `gap`: what lies between the newest run seen before and `since`, when that was too much. Only
    what was read by `url` has an ETag.
    """

    url: str
    since: datetime
    read: RunWindow
    gap: Window | None = None

    @property
    def is_doubtful(self) -> bool:
        """Whether the repository is to be looked at: it has moved, or no run tells whose it is."""
        return self.read.is_moved or not (self.read.name_and_privacy or self.read.is_unchanged)


@dataclass(frozen=True)
class HeadResult:
    """What became of the head: who is to be looked at, who has another name now, and since when
    runs were just listed."""

    doubtful: set[int]
    renamed: set[int]
    listed_since: dict[int, datetime]


def head(sync: Sync, counts: Counts, repositories: Collection[Repository]) -> HeadResult:
    """List what is new in all repositories."""
    known = stored_etags(sync.connection, _LISTING)
    result = HeadResult(set(), set(), {})
    writer = RunWriter(sync.loader, counts)
    now = sync.clock.latest_now

    def ask(poll: RepositoryPoll) -> HeadListing:
        return _list(poll, known.get(poll.repository.repository_id), now)

    polls = [
        sync.begin(_begun(sync.connection, sync.clock, repository), "head")
        for repository in repositories
    ]
    for poll, outcome in map_concurrently(ask, polls):
        repository_id = poll.repository.repository_id
        with failure_recorded(poll):
            try:
                listed = outcome.result()
                collector = RunCollector(poll, writer)
                collector.take(listed.read)
                collector.finish()
            except AnotherRepositoryError:
                if sync.has_seen(poll.repository):
                    raise
                result.renamed.add(repository_id)
            except MissingError:
                if not has_no_runs(poll):
                    raise
                poll.finish()
            else:
                result.listed_since[repository_id] = listed.since
                if listed.is_doubtful or _tells_of_change(poll, listed.read):
                    result.doubtful.add(repository_id)
                writer.when_loaded(poll, partial(_end, poll, listed))
        writer.flush_when_full()
    writer.flush()
    return result


def _begun(connection: Connection[Any], clock: Clock, repository: Repository) -> Repository:
    """The repository with a head: a new one's shows what is created from an hour ago on."""
    if repository.head_since is not None:
        return repository
    since = (clock.earliest_now - OVERLAP).replace(microsecond=0)
    begin_head(connection, repository.repository_id, since)
    return replace(repository, head_since=since, head_cursor=since)


def _list(poll: RepositoryPoll, known: Etag | None, now: datetime) -> HeadListing:
    since = _start(poll.repository)
    url = f"{poll.path}/actions/runs"
    etag = known[2] if known and known[:2] == (url, poll.client.token_key) else None
    read = read_newest(poll, since, etag=etag)
    gap = None
    if read.is_too_much and now - since > 2 * OVERLAP:
        # What came in while nobody polled is read window by window, as history is.
        gap = Window(poll.repository.repository_id, since, now - OVERLAP - SECOND)
        since = now - OVERLAP
        read = replace(read.cut(since), is_too_much=not read.reaches(since), etag=None)
    if read.is_too_much:
        read = _joined(poll, since, now + CLOCK_MARGIN)
    return HeadListing(url, since, read, gap)


def _start(repository: Repository) -> datetime:
    if repository.head_cursor is None or repository.head_since is None:
        raise ValueError(f"the head of {repository.full_name} has not begun")
    return max(repository.head_cursor - OVERLAP, repository.head_since)


def _joined(poll: RepositoryPoll, start: datetime, end: datetime) -> RunWindow:
    whole = RunWindow()
    for _, read in read_through(poll, start, end):
        whole.rows += read.rows
        whole.left_out += read.left_out
        whole.name_and_privacy = whole.name_and_privacy or read.name_and_privacy
    return whole


def _tells_of_change(poll: RepositoryPoll, read: RunWindow) -> bool:
    """Whether the runs tell of another name or visibility, or of a workflow that is not known."""
    if read.name_and_privacy is not None and read.name_and_privacy != (
        poll.repository.full_name,
        poll.repository.visibility != "public",
    ):
        return True
    workflow_ids = {row["workflow_id"] for row in read.rows}
    return bool(workflow_ids - known_workflows(poll.connection, workflow_ids))


def _end(poll: RepositoryPoll, listed: HeadListing) -> None:
    """What was listed is stored: go on from there next time."""
    repository_id = poll.repository.repository_id
    if listed.gap is not None:
        backfill_windows.add(poll.connection, listed.gap)
    cursor = listed.read.newest_created_at or (listed.gap and listed.since)
    if cursor:
        # A time that lies ahead must not hide what comes before it.
        save_head_cursor(poll.connection, repository_id, min(cursor, poll.clock.latest_now))
    if listed.read.etag is not None and not listed.read.is_unchanged:
        save_etag(
            poll.connection,
            repository_id,
            _LISTING,
            (listed.url, poll.client.token_key, listed.read.etag),
            poll.clock.now(),
        )
    poll.finish()
