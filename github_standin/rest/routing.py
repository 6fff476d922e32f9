"""Handlers below `/repos/{owner}/{repo}` and `/repositories/{id}`, for those who reach the
repository; everybody else finds nothing there."""

from collections.abc import Callable
from typing import Any

from flask import Flask, Response, request

from github_standin.responses import ForbiddenError, NotFoundError, api_url, error_response
from github_standin.rest.access import current_viewer
from github_standin.world.model import Repository
from github_standin.world.world import World

Handler = Callable[..., Response]


class MovedError(LookupError):
    """The repository bears another name now."""

    def __init__(self, repository: Repository) -> None:
        super().__init__(repository.full_name)
        self.repository = repository


def add_below_repository(
    app: Flask, world: World, path: str, handler: Handler, method: str = "GET"
) -> None:
    """Let *handler*, which takes the repository and what *path* names, answer below both."""

    def by_name(owner: str, name: str, **rest: Any) -> Response:
        full_name = f"{owner}/{name}"
        found = world.repository_named(full_name)
        moved = world.moved_repository(full_name) if found is None else None
        repository = _reached(found or moved)
        if moved is not None:
            raise MovedError(moved)
        check(repository)
        return handler(repository, **rest)

    def by_id(repository_id: int, **rest: Any) -> Response:
        repository = _reached(world.repositories.get(repository_id))
        check(repository)
        return handler(repository, **rest)

    def check(repository: Repository) -> None:
        if path.startswith("/actions") and not current_viewer().reads_actions(repository):
            raise ForbiddenError("Resource not accessible by integration")

    name = handler.__name__
    for root, endpoint, view in (
        ("/repos/<owner>/<name>", f"{name}_by_name", by_name),
        ("/repositories/<int:repository_id>", f"{name}_by_id", by_id),
    ):
        app.add_url_rule(root + path, endpoint, view, methods=[method])


def moved(reason: MovedError) -> Response:
    """The redirect to the repository's id, which stays."""
    rest = "/".join(request.path.split("/")[4:])
    url = f"{api_url()}/repositories/{reason.repository.id}" + (f"/{rest}" if rest else "")
    if request.query_string:
        url += f"?{request.query_string.decode()}"
    response = error_response(301, "Moved Permanently", url=url)
    response.headers["Location"] = url
    return response


def _reached(repository: Repository | None) -> Repository:
    if repository is None or not current_viewer().reaches(repository):
        raise NotFoundError
    return repository
