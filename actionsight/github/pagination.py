"""GitHub's listings as Python iterators, with the form of their answers checked."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from actionsight.github.client import GitHubClient, Response
from actionsight.github.errors import SlowError, UnexpectedResponseError
from actionsight.github.transport import Params

PER_PAGE = 100
# Where GitHub is too slow for one, the next; each divides the one before, so that pages align.
PAGE_SIZES = (PER_PAGE, 25, 5)
# How often a page that comes too slowly is asked for before a smaller one is; who tries no more
# often than that, since a person waits, gives up.
SLOW_TRIES = 2
# A listing of runs that is filtered stops there, whatever `total_count` says.
LISTING_CAP = 1_000

Payload = Mapping[str, Any]


@dataclass(frozen=True)
class Page:
    """A page of a listing and the total that it claims; an unchanged one (304) has no payloads."""

    total_count: int
    payloads: list[Payload]
    etag: str | None = None
    is_unchanged: bool = False
    is_moved: bool = False
    has_next: bool = False


def iter_pages(
    client: GitHubClient, path: str, field: str, *, etag: str | None = None, **params: str | int
) -> Iterator[Page]:
    """All pages of a listing; smaller ones from where GitHub becomes too slow.

    Args:
        field: where the objects of a page stand.
        etag: of the first page; if that is unchanged it is the only one.

    Raises:
        GitHubError: a page could not be had, or is not a listing.
    """
    for response in _responses(client, path, params, etag):
        yield _page(response, path, field)


def iter_items(
    client: GitHubClient, path: str, field: str | None = None, **params: str | int
) -> Iterator[Payload]:
    """All objects of a listing, page by page.

    Args:
        field: where the objects of a page stand; None: a page is a bare array.

    Raises:
        GitHubError: a page could not be had, or is not a listing.
    """
    for response in _responses(client, path, params, None):
        yield from _payloads(response, path, field)


def get_object(client: GitHubClient, path: str, params: Params | None = None) -> Payload:
    """One object.

    Raises:
        GitHubError: it could not be had, or is no object.
    """
    body = client.get(path, params).body
    if not isinstance(body, dict):
        raise UnexpectedResponseError(f"GitHub's answer for {path} is not an object")
    return body


def timestamp(moment: datetime) -> str:
    """A time as GitHub's `created` filter takes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _responses(
    client: GitHubClient, path: str, params: Params, etag: str | None
) -> Iterator[Response]:
    sizes = iter(PAGE_SIZES)
    size = next(sizes)
    url, query = path, {**params, "per_page": size}
    while True:
        try:
            can_shrink = size != PAGE_SIZES[-1] and client.tries > SLOW_TRIES
            slow_tries = SLOW_TRIES if can_shrink else None
            response = client.get(url, query, etag=etag, slow_tries=slow_tries)
        except SlowError:
            before, size = size, next(sizes)
            url, query = _in_smaller_pages(url, query, before, size)
            continue
        yield response
        if response.next_url is None:
            return
        url, query, etag = response.next_url, {}, None


def _in_smaller_pages(
    url: str, query: Params, before: int, size: int
) -> tuple[str, dict[str, str | int]]:
    """The request for the page of the new size that begins where this one would have begun."""
    parts = urlsplit(url)
    asked: dict[str, str | int] = {**dict(parse_qsl(parts.query)), **query}
    page = (int(asked.get("page", 1)) - 1) * (before // size) + 1
    return urlunsplit(parts._replace(query="")), {**asked, "per_page": size, "page": page}


def _page(response: Response, path: str, field: str) -> Page:
    if response.is_unchanged:
        return Page(0, [], response.etag, is_unchanged=True, is_moved=response.is_moved)
    payloads = _payloads(response, path, field)
    total = response.body.get("total_count")
    return Page(
        total if isinstance(total, int) else len(payloads),
        payloads,
        response.etag,
        is_moved=response.is_moved,
        has_next=response.next_url is not None,
    )


def _payloads(response: Response, path: str, field: str | None) -> list[Payload]:
    found = response.body
    if field is not None:
        found = found.get(field) if isinstance(found, dict) else None
    if not isinstance(found, list):
        what = "is not a list" if field is None else f"has no list of {field}"
        raise UnexpectedResponseError(f"GitHub's answer for {path} {what}")
    # What is no object costs only itself: whoever reads it finds that it lacks its id.
    return [item if isinstance(item, dict) else {} for item in found]
