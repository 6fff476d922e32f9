"""Ready-made faults, by name, to be set as `server.fault`.

server.fault = faults.named("server_error", server, share=0.2)
server.fault = faults.named("gone", server, repository=repository)
server.fault = faults.named("slow", server, most_rows=30)
server.fault = faults.together(one, another)

Which requests a fault strikes follows from the seed, the request and how often that one was asked
before, never from the order in which threads ask: the same run meets the same faults, and a request
that is tried again can succeed.
"""

import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from hashlib import blake2b
from typing import Any

import orjson
from werkzeug.wrappers import Request, Response

from github_standin.responses import error_response
from github_standin.server.server import Break, Fault, Server
from github_standin.world.model import Repository, make_job

Body = dict[str, Any]

Strike = Callable[[Server, Request], Response | Break | None]
"""What happens to a request that a fault strikes."""

UNICORN = (
    "<!DOCTYPE html>\n<html><head><title>Unicorn! &middot; GitHub</title></head>"
    "<body><p><strong>We had issues producing the response to your request.</strong></p>"
    "</body></html>\n"
)


def named(
    name: str,
    server: Server,
    *,
    share: float = 1.0,
    seed: int = 0,
    paths: str = "",
    repository: Repository | None = None,
    times: int | None = None,
    **options: Any,
) -> Fault:
    """The fault *name* of `NAMES`; *options* are those of the function of that name.

    It strikes a *share* of the requests whose path matches the pattern *paths* somewhere, or only
    those of *repository*, and altogether at most so many *times*.
    """
    strike = _STRIKES[name](**options)
    asked: Counter[str] = Counter()
    lock = threading.Lock()
    struck = 0
    bad_tokens: set[str] = set()

    def is_meant(request: Request) -> bool:
        nonlocal struck
        token = request.headers.get("Authorization", "")
        if token in bad_tokens:
            return True
        if not re.search(paths, request.path) or not _is_of(request.path, repository):
            return False
        what = f"{request.method} {request.full_path}"
        with lock:
            asked[what] += 1
            if times is not None and struck >= times:
                return False
            is_struck = _chance(f"{seed} {name} {asked[what]} {what}") < share
            struck += is_struck
            if is_struck and name == expired_token.__name__:
                bad_tokens.add(token)
        return is_struck

    return lambda request: strike(server, request) if is_meant(request) else None


def together(*faults: Fault) -> Fault:
    """The first of *faults* that strikes."""

    def fault(request: Request) -> Response | Break | None:
        for one in faults:
            found = one(request)
            if found is not None:
                return found
        return None

    return fault


# the server or the way to it is broken


def server_error() -> Strike:
    """500, 502, 503 or 504, one of them for each request; most with a page instead of JSON."""

    def strike(_: Server, request: Request) -> Response:
        status = (500, 502, 503, 504)[int(4 * _chance(request.full_path))]
        return error_response(500, "Server Error") if status == 500 else _page(status)

    return strike


def html_with_200() -> Strike:
    """A page for people, with the status of success."""
    return lambda _, __: _page(200)


def empty_body() -> Strike:
    """A success with nothing in it."""
    return lambda _, __: Response(b"", 200, content_type="application/json; charset=utf-8")


def truncated_json() -> Strike:
    """The first half of the answer, as if that were all of it."""

    def strike(server: Server, request: Request) -> Response:
        response = server.answer(request)
        response.set_data(response.get_data()[: len(response.get_data()) // 2])
        return response

    return strike


def connection_reset(body_bytes: int | None = None) -> Strike:
    """The connection breaks, before the answer or within it."""
    return lambda _, __: Break(body_bytes)


def slow(most_rows: int = 30, wait_seconds: float = 0.0) -> Strike:
    """A 502 after *wait_seconds* (GitHub's are 10) for whoever asks for more than *most_rows* rows
    a page."""

    def strike(_: Server, request: Request) -> Response | None:
        if request.args.get("per_page", default=30, type=int) <= most_rows:
            return None
        time.sleep(wait_seconds)
        return _page(502)

    return strike


# GitHub refuses


def expired_token() -> Strike:
    """401; and from then on for every request with the same token, while others are good."""
    return lambda _, __: error_response(401, "Bad credentials")


def legal_reasons() -> Strike:
    """451: the repository was taken down."""
    block = {"reason": "dmca", "created_at": "2026-01-01T00:00:00Z", "html_url": None}
    return lambda _, __: error_response(451, "Repository access blocked", block=block)


def gone() -> Strike:
    """410: it was there and is no more."""
    return lambda _, __: error_response(410, "Gone")


def forbidden() -> Strike:
    """403 that has nothing to do with limits."""
    return lambda _, __: error_response(403, "Resource not accessible by personal access token")


# the answer is well-formed and wrong


def duplicate_rows() -> Strike:
    """The last row of every page of a listing comes twice."""

    def twice(body: Body) -> Body:
        return body | {key: body[key] + body[key][-1:] for key in _LISTED if key in body}

    return _altering(twice)


def wrong_total_count(by: int = 1) -> Strike:
    """`total_count` differs from the rows by *by*."""

    def counted(body: Body) -> Body:
        if "total_count" not in body:
            return body
        return body | {"total_count": max(0, body["total_count"] + by)}

    return _altering(counted)


def empty_conclusions() -> Strike:
    """An empty string is the conclusion of runs and jobs that have none yet."""
    return _altering(_with_conclusion(lambda conclusion: conclusion or ""))


def null_conclusions() -> Strike:
    """Runs and jobs have no conclusion, also when they have ended."""
    return _altering(_with_conclusion(lambda _: None))


def drifting_pages(runs: int = 1) -> Strike:
    """With every page of runs that is asked for, so many new ones have just been created."""

    def strike(server: Server, request: Request) -> None:
        found = re.search(r"^/(?:repos/([^/]+/[^/]+)|repositories/(\d+))/.*runs$", request.path)
        if found is None:
            return
        world = server.world
        with world.lock:
            repository = (
                world.repository_named(found[1])
                if found[1]
                else world.repositories.get(int(found[2]))
            )
            workflows = world.workflows_of(repository.id) if repository else []
            now = world.now().replace(microsecond=0)
            for _ in range(runs if workflows else 0):
                world.add_run(workflows[0], now, [make_job("build", now)])

    return strike


_STRIKES: dict[str, Callable[..., Strike]] = {
    of.__name__: of
    for of in (
        server_error,
        html_with_200,
        empty_body,
        truncated_json,
        connection_reset,
        slow,
        expired_token,
        legal_reasons,
        gone,
        forbidden,
        duplicate_rows,
        wrong_total_count,
        empty_conclusions,
        null_conclusions,
        drifting_pages,
    )
}

NAMES = tuple(_STRIKES)
"""The faults that there are."""


_LISTED = ("workflow_runs", "jobs")


def _altering(alter: Callable[[Body], Body]) -> Strike:
    """Alters what a success would have said."""

    def strike(server: Server, request: Request) -> Response:
        response = server.answer(request)
        if response.status_code == 200:
            body = orjson.loads(response.get_data())
            if isinstance(body, dict):
                response.set_data(orjson.dumps(alter(body)))
        return response

    return strike


def _with_conclusion(change: Callable[[str | None], str | None]) -> Callable[[Body], Body]:
    def changed(row: Body) -> Body:
        return row | {"conclusion": change(row["conclusion"])} if "conclusion" in row else row

    def alter(body: Body) -> Body:
        rows = {key: [changed(row) for row in body[key]] for key in _LISTED if key in body}
        return changed(body) | rows

    return alter


def _page(status: int) -> Response:
    return Response(UNICORN, status, content_type="text/html; charset=utf-8")


def _is_of(path: str, repository: Repository | None) -> bool:
    if repository is None:
        return True
    roots = (f"/repos/{repository.full_name}/", f"/repositories/{repository.id}/")
    return f"{path}/".lower().startswith(tuple(root.lower() for root in roots))


def _chance(text: str) -> float:
    """A number from 0 to 1 that follows from *text*."""
    return int.from_bytes(blake2b(text.encode(), digest_size=7).digest(), "big") / 2**56
