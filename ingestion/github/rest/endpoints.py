"""GitHub's listings as Python iterators, with the form of their answers checked."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ingestion.github.rest.client import Answer, GitHubClient
from ingestion.github.rest.errors import UnexpectedAnswerError

PER_PAGE = 100
# A listing of runs that is filtered stops there, whatever `total_count` says.
LISTING_CAP = 1_000

Payload = Mapping[str, Any]


@dataclass(frozen=True)
class Listing:
    """A page of a listing and the total that it claims."""

    total_count: int
    payloads: list[Payload]


def items(client: GitHubClient, path: str, field: str, **params: str | int) -> Iterator[Payload]:
    """All objects of a listing, page by page.

    Raises:
        GitHubError: a page could not be had, or is not a listing.
    """
    for page in listing(client, path, field, **params):
        yield from page.payloads


def listing(client: GitHubClient, path: str, field: str, **params: str | int) -> Iterator[Listing]:
    """All pages of a listing.

    Raises:
        GitHubError: a page could not be had, or is not a listing.
    """
    for answer in client.pages(path, {**params, "per_page": PER_PAGE}):
        yield _checked(answer, path, field)


def get_object(client: GitHubClient, path: str) -> Payload:
    """One object.

    Raises:
        GitHubError: it could not be had, or is no object.
    """
    body = client.get(path).body
    if not isinstance(body, dict):
        raise UnexpectedAnswerError(f"GitHub's answer for {path} is not an object")
    return body


def timestamp(moment: datetime) -> str:
    """A time as GitHub's `created` filter takes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _checked(answer: Answer, path: str, field: str) -> Listing:
    body = answer.body
    payloads = body.get(field) if isinstance(body, dict) else None
    if not isinstance(payloads, list) or not all(isinstance(item, dict) for item in payloads):
        raise UnexpectedAnswerError(f"GitHub's answer for {path} has no list of {field}")
    total = body.get("total_count")
    return Listing(total if isinstance(total, int) else len(payloads), payloads)
