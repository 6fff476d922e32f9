"""Listings of runs by the time of their creation, as far as GitHub shows them."""

import logging
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from actionsight.github.errors import UnexpectedResponseError
from actionsight.github.pagination import (
    LISTING_CAP,
    Page,
    get_object,
    iter_pages,
    timestamp,
)
from ingestion.github.poll import RepositoryPoll
from ingestion.github.runs.attempts import ParsedRuns
from ingestion.github.state.backfill_windows import SECOND, Window

logger = logging.getLogger(__name__)


@dataclass
class RunWindow(ParsedRuns):
    """The runs of a window, read to its end; or, when `is_too_much`, none of them.

    `total_count` is what GitHub claims, which may be wrong.
    """

    total_count: int = 0
    page_count: int = 0
    is_too_much: bool = False
    is_moved: bool = False
    is_unchanged: bool = False
    etag: str | None = None
    run_ids: set[int] = field(default_factory=set)

    @property
    def newest_created_at(self) -> datetime | None:
        """When the newest of the runs was created."""
        return max((row["created_at"] for row in self.rows if row["created_at"]), default=None)

    def reaches(self, since: datetime) -> bool:
        """Whether a run from before then was read."""
        return any(row["created_at"] and row["created_at"] < since for row in self.rows)

    def cut(self, since: datetime) -> "RunWindow":
        """Without the runs from before then."""
        rows = [row for row in self.rows if row["created_at"] is None or row["created_at"] >= since]
        return replace(self, rows=rows)


def created_between(start: datetime, end: datetime) -> str:
    """The filter for runs created from `start` to `end`, both included."""
    return f"{timestamp(start)}..{timestamp(end)}"


def read_newest(poll: RepositoryPoll, since: datetime, *, etag: str | None = None) -> RunWindow:
    """Read the runs created since then, from the listing of all, newest first.

    Filters are searches, which can lag behind for hours without saying so; this one cannot.

    Args:
        etag: of its first page; if that is unchanged nothing is read.

    Raises:
        GitHubError: a page could not be had.
    """
    read = RunWindow()
    seen_count = 0
    pages = iter_pages(poll.client, f"{poll.path}/actions/runs", "workflow_runs", etag=etag)
    for number, page in enumerate(pages):
        read.page_count += 1
        read.is_unchanged = page.is_unchanged
        # The ETag of a first page says nothing of a second one, where that was needed.
        read.etag = page.etag if number == 0 else None
        read.is_moved = read.is_moved or page.is_moved
        _take(read, page, poll)
        seen_count += len(page.payloads)
        if read.reaches(since):
            break
        if page.has_next and seen_count >= LISTING_CAP:
            read.is_too_much = True
            break
    return read.cut(since)


def runs_listed(poll: RepositoryPoll, windows: Iterable[Window]) -> Iterator[tuple[Window, int]]:
    """How many runs the listing of all holds of each window, which no search can hide.

    Raises:
        GitHubError: it could not be had.
    """
    total = count_runs(poll)
    known: dict[datetime, int] = {}

    def since(moment: datetime) -> int:
        if moment not in known:
            known[moment] = bisect_left(
                range(1, total + 1), True, key=lambda place: _is_older(poll, place, moment)
            )
        return known[moment]

    for window in windows:
        yield window, since(window.starts_at) - since(window.ends_at + SECOND)


def _is_older(poll: RepositoryPoll, place: int, moment: datetime) -> bool:
    """Whether the run at that place of the listing of all, from 1, was created before."""
    body = get_object(poll.client, f"{poll.path}/actions/runs", {"per_page": 1, "page": place})
    read = ParsedRuns()
    read.read(body.get("workflow_runs") or (), poll.repository)
    created_at = read.rows[0]["created_at"] if read.rows else None
    return created_at is None or created_at < moment


def read_window(
    poll: RepositoryPoll, created: str, *, etag: str | None = None, takes_all: bool = False
) -> RunWindow:
    """Read the runs of a window of creation time.

    A listing of runs ends at its cap whatever it claims, and claims more than it has when it is
    wrong: only one that also goes on behind its first page is too much.

    Args:
        etag: of its first page; if that is unchanged nothing is read.
        takes_all: take what is shown, even if that is not all.

    Raises:
        GitHubError: a page could not be had.
    """
    read = _read(poll, created, etag, takes_all=takes_all)
    if len(read.run_ids) < read.total_count < LISTING_CAP and not read.is_unchanged:
        # Runs that were deleted meanwhile moved others across the bounds of pages.
        again = _read(poll, created, None, takes_all=takes_all)
        read.rows += [row for row in again.rows if row["run_id"] not in read.run_ids]
        read.run_ids |= again.run_ids
        read.page_count += again.page_count
    return read


def _read(poll: RepositoryPoll, created: str, etag: str | None, *, takes_all: bool) -> RunWindow:
    read = RunWindow()
    pages = iter_pages(
        poll.client, f"{poll.path}/actions/runs", "workflow_runs", etag=etag, created=created
    )
    for number, page in enumerate(pages):
        read.page_count += 1
        if number == 0:
            read.total_count = page.total_count
            read.is_unchanged = page.is_unchanged
            # The ETag of a first page says nothing of a second one.
            read.etag = None if page.has_next else page.etag
            read.is_too_much = page.total_count >= LISTING_CAP and page.has_next
        read.is_moved = read.is_moved or page.is_moved
        if read.is_too_much and not takes_all:
            return read
        _take(read, page, poll)
    # It claimed less, and was cut off.
    read.is_too_much = read.is_too_much or len(read.run_ids) >= LISTING_CAP
    return read


def _take(read: RunWindow, page: Page, poll: RepositoryPoll) -> None:
    count = len(read.rows)
    read.read(page.payloads, poll.repository)
    # Runs that are created meanwhile move others onto the next page, where they come again.
    read.rows[count:] = [row for row in read.rows[count:] if row["run_id"] not in read.run_ids]
    read.run_ids.update(row["run_id"] for row in read.rows[count:])


def read_through(
    poll: RepositoryPoll, start: datetime, end: datetime
) -> Iterator[tuple[Window, RunWindow]]:
    """Windows that cover `start` to `end`, newest first, with the runs of each; one that holds more
    than GitHub shows is halved, and a second that does is said loudly.

    Raises:
        GitHubError: a page could not be had.
    """
    todo = [
        Window(
            poll.repository.repository_id, start.replace(microsecond=0), end.replace(microsecond=0)
        )
    ]
    while todo:
        window = todo.pop()
        read = read_whole(poll, window)
        if read is None:
            todo += window.halves()
        else:
            yield window, read


def read_whole(poll: RepositoryPoll, window: Window) -> RunWindow | None:
    """All runs of a window; None when it is to be halved.

    Raises:
        GitHubError: a page could not be had.
    """
    read = read_window(
        poll,
        created_between(window.starts_at, window.ends_at),
        takes_all=window.is_one_second,
    )
    if not read.is_too_much:
        return read
    if not window.is_one_second:
        return None
    logger.error(
        "%s: %d runs were created in the second %s, GitHub shows %d of them: "
        "the others cannot be collected",
        poll.repository.full_name,
        read.total_count,
        timestamp(window.starts_at),
        len(read.run_ids),
    )
    return read


def count_created(poll: RepositoryPoll, created: str) -> int:
    """How many runs GitHub has in a window of creation time.

    Raises:
        GitHubError: it does not say.
    """
    return _count(poll, {"created": created})


def count_runs(poll: RepositoryPoll) -> int:
    """How many runs GitHub has, by the listing of all.

    Raises:
        GitHubError: it does not say.
    """
    return _count(poll, {})


def _count(poll: RepositoryPoll, query: dict[str, str]) -> int:
    body = get_object(poll.client, f"{poll.path}/actions/runs", {**query, "per_page": 1})
    count = body.get("total_count")
    if not isinstance(count, int):
        raise UnexpectedResponseError(f"GitHub does not say how many runs {poll.path} has")
    return count
