"""*Head*: the runs that were created since the newest one seen, with an hour to spare.

They are read from the listing of all runs, newest first: one that is filtered is a search.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from ingestion.github.concurrency import map_concurrently
from ingestion.github.loops.failures import has_no_runs, settle
from ingestion.github.runs.attempts import AnotherRepositoryError, RunIntake
from ingestion.github.runs.listing import ReadWindow, read_newest, read_through
from ingestion.github.runs.writer import RunLoad
from ingestion.github.state import backfill_windows
from ingestion.github.state.backfill_windows import SECOND, Window
from ingestion.github.state.etags import Etag, save_etag, stored_etags
from ingestion.github.state.repositories import (
    Repository,
    begin_head,
    known_workflows,
    save_head_cursor,
)
from ingestion.github.sync import Cycle, Expected, Tally, Turn

OVERLAP = timedelta(hours=1)
# Clocks differ; a window that ends a little in the future still holds every run there is.
CLOCK_MARGIN = timedelta(minutes=1)
_LISTING = "head"


@dataclass(frozen=True)
class Listed:
    """What the head of a repository shows since `since`.

    `gap`: what lies between the newest run seen before and `since`, when that was too much. Only
    what was read by `url` has an ETag.
    """

    url: str
    since: datetime
    read: ReadWindow
    gap: Window | None = None

    @property
    def is_doubtful(self) -> bool:
        """Whether the repository is to be looked at: it has moved, or no run tells whose it is."""
        return self.read.is_moved or not (self.read.told or self.read.is_unchanged)


@dataclass(frozen=True)
class Headed:
    """What became of the head: who is to be looked at, who has another name now, and since when
    runs were just listed."""

    doubtful: set[int]
    renamed: set[int]
    listed_since: dict[int, datetime]


def head(cycle: Cycle, tally: Tally, repositories: Collection[Repository]) -> Headed:
    """List what is new in all repositories."""
    known = stored_etags(cycle.connection, _LISTING)
    headed = Headed(set(), set(), {})
    load = RunLoad(cycle, tally)
    now = cycle.latest_now

    def ask(turn: Turn) -> Listed:
        return _list(turn, known.get(turn.repository.repository_id), now)

    turns = [cycle.begin(_begun(cycle, repository), "head") for repository in repositories]
    for turn, outcome in map_concurrently(ask, turns):
        repository_id = turn.repository.repository_id
        try:
            listed = outcome.result()
            intake = RunIntake(cycle, turn, load)
            intake.take(listed.read)
            intake.finish()
        except AnotherRepositoryError as error:
            if cycle.has_seen(turn.repository):
                settle(cycle, turn, error)
            else:
                headed.renamed.add(repository_id)
        except Expected as error:
            if has_no_runs(cycle, turn, error):
                cycle.finish(turn)
            else:
                settle(cycle, turn, error)
        else:
            headed.listed_since[repository_id] = listed.since
            if listed.is_doubtful or _tells_of_change(cycle, listed.read, turn.repository):
                headed.doubtful.add(repository_id)
            load.when_loaded(turn, partial(_end, cycle, turn, listed))
        load.when_full()
    load.flush()
    return headed


def _begun(cycle: Cycle, repository: Repository) -> Repository:
    """The repository with a head: a new one's shows what is created from an hour ago on."""
    if repository.head_since is not None:
        return repository
    since = (cycle.earliest_now - OVERLAP).replace(microsecond=0)
    begin_head(cycle.connection, repository.repository_id, since)
    return replace(repository, head_since=since, head_cursor=since)


def _list(turn: Turn, known: Etag | None, now: datetime) -> Listed:
    since = _start(turn.repository)
    url = f"{turn.path}/actions/runs"
    etag = known[2] if known and known[:2] == (url, turn.client.token_key) else None
    read = read_newest(turn, since, etag=etag)
    gap = None
    if read.is_too_much and now - since > 2 * OVERLAP:
        # What came in while nobody polled is read window by window, as history is.
        gap = Window(turn.repository.repository_id, since, now - OVERLAP - SECOND)
        since = now - OVERLAP
        read = replace(read.cut(since), is_too_much=not read.reaches(since), etag=None)
    if read.is_too_much:
        read = _joined(turn, since, now + CLOCK_MARGIN)
    return Listed(url, since, read, gap)


def _start(repository: Repository) -> datetime:
    if repository.head_cursor is None or repository.head_since is None:
        raise ValueError(f"the head of {repository.full_name} has not begun")
    return max(repository.head_cursor - OVERLAP, repository.head_since)


def _joined(turn: Turn, start: datetime, end: datetime) -> ReadWindow:
    whole = ReadWindow()
    for _, read in read_through(turn, start, end):
        whole.rows += read.rows
        whole.left_out += read.left_out
        whole.told = whole.told or read.told
    return whole


def _tells_of_change(cycle: Cycle, read: ReadWindow, repository: Repository) -> bool:
    """Whether the runs tell of another name or visibility, or of a workflow that is not known."""
    if read.told is not None and read.told != (
        repository.full_name,
        repository.visibility != "public",
    ):
        return True
    workflow_ids = {row["workflow_id"] for row in read.rows}
    return bool(workflow_ids - known_workflows(cycle.connection, workflow_ids))


def _end(cycle: Cycle, turn: Turn, listed: Listed) -> None:
    """What was listed is stored: go on from there next time."""
    repository_id = turn.repository.repository_id
    if listed.gap is not None:
        backfill_windows.add(cycle.connection, listed.gap)
    cursor = listed.read.newest_created_at or (listed.gap and listed.since)
    if cursor:
        # A time that lies ahead must not hide what comes before it.
        save_head_cursor(cycle.connection, repository_id, min(cursor, cycle.latest_now))
    if listed.read.etag is not None and not listed.read.is_unchanged:
        save_etag(
            cycle.connection,
            repository_id,
            _LISTING,
            (listed.url, turn.client.token_key, listed.read.etag),
            cycle.clock(),
        )
    cycle.finish(turn)
