"""How these tests ask the stand-in: through WSGI, without a socket."""

from datetime import UTC, datetime
from typing import Any

from werkzeug.test import Client, TestResponse

from github_standin.server.server import Server

AGENT = {"User-Agent": "tests"}

MONDAY = datetime(2025, 9, 8, 12, 0, tzinfo=UTC)


class Clock:
    """A clock that stands where the test puts it."""

    def __init__(self, now: datetime = MONDAY) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


def get(server: Server, url: str, **headers: str) -> TestResponse:
    """GET *url*, a path with its query or an absolute address; `_` in a header's name is a dash."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Client(server).get(url, headers=AGENT | named)


def body(server: Server, url: str) -> Any:
    """The body of a GET that succeeds."""
    response = get(server, url)
    assert response.status_code == 200, (url, response.get_data(as_text=True))
    return response.get_json()


def rows(server: Server, url: str, key: str) -> list[Any]:
    """All rows of a listing, by following its links."""
    found: list[Any] = []
    following: str | None = url
    while following is not None:
        response = get(server, following)
        assert response.status_code == 200, following
        found += response.get_json()[key]
        following = links(response).get("next")
    return found


def links(response: TestResponse) -> dict[str, str]:
    """The targets of the `Link` header by their relation."""
    header = response.headers.get("Link")
    if header is None:
        return {}
    pairs = (part.split("; rel=") for part in header.split(", "))
    return {name.strip('"'): target.strip("<>") for target, name in pairs}
