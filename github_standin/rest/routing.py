"""Handlers by path: on their own, or below a repository, for those who reach it.

Each module of this room has its `routes`, to which it adds its handlers by decorators.
"""

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, request

from github_standin.responses import ForbiddenError, NotFoundError, api_url, error_response
from github_standin.rest.current import current_viewer, current_world
from github_standin.world.model import Repository

Handler = Callable[..., Response]


class MovedError(LookupError):
    """The repository bears another name now."""

    def __init__(self, repository: Repository) -> None:
        super().__init__(repository.full_name)
        self.repository = repository


class Routes(Blueprint):
    """A blueprint with handlers below repositories too."""

    def below_repository(self, path: str, method: str = "GET") -> Callable[[Handler], Handler]:
        """Let a handler, which takes the repository and what *path* names, answer below both
        `/repos/{owner}/{repo}` and `/repositories/{id}`; who does not reach the repository finds
        nothing there."""

        def add(handler: Handler) -> Handler:
            def by_name(owner: str, name: str, **rest: Any) -> Response:
                return answer(_repository_named(f"{owner}/{name}"), rest)

            def by_id(repository_id: int, **rest: Any) -> Response:
                return answer(_reached(current_world().repositories.get(repository_id)), rest)

            def answer(repository: Repository, rest: dict[str, Any]) -> Response:
                if path.startswith("/actions") and not current_viewer().reads_actions(repository):
                    raise ForbiddenError("Resource not accessible by integration")
                return handler(repository, **rest)

            for root, view in (
                ("/repos/<owner>/<name>", by_name),
                ("/repositories/<int:repository_id>", by_id),
            ):
                endpoint = f"{handler.__name__}_{view.__name__}"
                self.add_url_rule(root + path, endpoint, view, methods=[method])
            return handler

        return add


def redirect_moved(reason: MovedError) -> Response:
    """The redirect to the repository's id, which stays."""
    rest = "/".join(request.path.split("/")[4:])
    url = f"{api_url()}/repositories/{reason.repository.id}" + (f"/{rest}" if rest else "")
    if request.query_string:
        url += f"?{request.query_string.decode()}"
    response = error_response(301, "Moved Permanently", url=url)
    response.headers["Location"] = url
    return response


def _repository_named(full_name: str) -> Repository:
    world = current_world()
    found = world.repository_named(full_name)
    if found is None:
        raise MovedError(_reached(world.moved_repository(full_name)))
    return _reached(found)


def _reached(repository: Repository | None) -> Repository:
    if repository is None or not current_viewer().reaches(repository):
        raise NotFoundError
    return repository
