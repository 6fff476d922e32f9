"""GitHub's listings as Python iterators, with the form of their answers checked."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from actionsight.github.client import Answer, Asker
from actionsight.github.errors import SlowError, UnexpectedAnswerError
from actionsight.github.transport import Params

PER_PAGE = 100
# Where GitHub is too slow for one, the next; each divides the one before, so that pages align.
PAGE_SIZES = (PER_PAGE, 25, 5)
# How often a page that comes too slowly is asked for before a smaller one is.
SLOW_TRIES = 2
# A listing of runs that is filtered stops there, whatever `total_count` says.
LISTING_CAP = 1_000

Payload = Mapping[str, Any]


@dataclass(frozen=True)
class Listing:
    """A page of a listing and the total that it claims; an unchanged one (304) has no payloads."""

    total_count: int
    payloads: list[Payload]
    etag: str | None = None
    is_unchanged: bool = False
    is_moved: bool = False
    has_next: bool = False


def items(asker: Asker, path: str, field: str, **params: str | int) -> Iterator[Payload]:
    """All objects of a listing, page by page.

    Raises:
        GitHubError: a page could not be had, or is not a listing.
    """
    for page in listing(asker, path, field, etag=None, **params):
        yield from page.payloads


def listing(
    asker: Asker, path: str, field: str, *, etag: str | None = None, **params: str | int
) -> Iterator[Listing]:
    """All pages of a listing; smaller ones from where GitHub becomes too slow.

    Args:
        etag: of the first page; if that is unchanged it is the only one.

    Raises:
        GitHubError: a page could not be had, or is not a listing.
    """
    for answer in _pages(asker, path, params, etag):
        yield _checked(answer, path, field)


def objects(asker: Asker, path: str, **params: str | int) -> Iterator[Payload]:
    """All objects of a listing that is a bare array.

    Raises:
        GitHubError: a page could not be had, or is not an array of objects.
    """
    for answer in _pages(asker, path, params, None):
        yield from _objects(answer.body, f"GitHub's answer for {path} is not a list")


def get_object(asker: Asker, path: str, params: Params | None = None) -> Payload:
    """One object.

    Raises:
        GitHubError: it could not be had, or is no object.
    """
    body = asker.get(path, params).body
    if not isinstance(body, dict):
        raise UnexpectedAnswerError(f"GitHub's answer for {path} is not an object")
    return body


def timestamp(moment: datetime) -> str:
    """A time as GitHub's `created` filter takes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _pages(asker: Asker, path: str, params: Params, etag: str | None) -> Iterator[Answer]:
    sizes = iter(PAGE_SIZES)
    size = next(sizes)
    url, query = path, {**params, "per_page": size}
    while True:
        try:
            slow_tries = SLOW_TRIES if size != PAGE_SIZES[-1] else None
            answer = asker.get(url, query, etag=etag, slow_tries=slow_tries)
        except SlowError:
            before, size = size, next(sizes)
            url, query = _in_smaller_pages(url, query, before, size)
            continue
        yield answer
        if answer.next_url is None:
            return
        url, query, etag = answer.next_url, {}, None


def _in_smaller_pages(
    url: str, query: Params, before: int, size: int
) -> tuple[str, dict[str, str | int]]:
    """The request for the page of the new size that begins where this one would have begun."""
    parts = urlsplit(url)
    asked: dict[str, str | int] = {**dict(parse_qsl(parts.query)), **query}
    page = (int(asked.get("page", 1)) - 1) * (before // size) + 1
    return urlunsplit(parts._replace(query="")), {**asked, "per_page": size, "page": page}


def _checked(answer: Answer, path: str, field: str) -> Listing:
    if answer.is_unchanged:
        return Listing(0, [], answer.etag, is_unchanged=True, is_moved=answer.is_moved)
    body = answer.body
    wrong = f"GitHub's answer for {path} has no list of {field}"
    payloads = _objects(body.get(field) if isinstance(body, dict) else None, wrong)
    total = body.get("total_count")
    return Listing(
        total if isinstance(total, int) else len(payloads),
        payloads,
        answer.etag,
        is_moved=answer.is_moved,
        has_next=answer.next_url is not None,
    )


def _objects(payloads: Any, wrong: str) -> list[Payload]:
    if not isinstance(payloads, list):
        raise UnexpectedAnswerError(wrong)
    # What is no object costs only itself: whoever reads it finds that it lacks its id.
    return [item if isinstance(item, dict) else {} for item in payloads]
