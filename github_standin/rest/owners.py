"""The repositories of an owner, and those of whoever asks."""

from collections.abc import Callable
from datetime import datetime

from flask import Flask, Response, request

from github_standin.payloads.repositories import full_repository_body
from github_standin.responses import (
    ForbiddenError,
    NotFoundError,
    api_url,
    error_response,
    json_response,
    with_link,
)
from github_standin.rest.access import current_viewer
from github_standin.rest.queries import Page, last_push
from github_standin.world.model import Repository
from github_standin.world.world import World


def add_routes(app: Flask, world: World) -> None:
    """Add the three listings."""
    routes = _Routes(world)
    app.add_url_rule("/orgs/<login>/repos", view_func=routes.of_organization)
    app.add_url_rule("/users/<login>/repos", view_func=routes.of_user)
    app.add_url_rule("/user/repos", view_func=routes.of_viewer)


class _Routes:
    def __init__(self, world: World) -> None:
        self.world = world

    def of_organization(self, login: str) -> Response:
        """What an organization owns, of what the viewer reaches; the newest first."""
        owned = self._owned_by(login)
        if not owned or owned[0].owner.type != "Organization":
            raise NotFoundError
        return self._listing(owned, f"/orgs/{login}/repos", "created")

    def of_user(self, login: str) -> Response:
        """What is public of what an account owns."""
        owned = self._owned_by(login)
        if not owned and self.world.people.user_named(login) is None:
            raise NotFoundError
        public = [of for of in owned if of.visibility == "public"]
        return self._listing(public, f"/users/{login}/repos", "full_name")

    def of_viewer(self) -> Response:
        """What a person was given a role in; with the collector's token everything."""
        viewer = current_viewer()
        if viewer.token is not None:
            raise ForbiddenError("Resource not accessible by integration")
        if viewer.user is None and not request.headers.get("Authorization"):
            return error_response(401, "Requires authentication")
        found = list(self.world.repositories.values())
        if viewer.user is not None:
            people, user = self.world.people, viewer.user
            found = [of for of in found if people.role(user, of) != "none"]
        return self._listing(found, "/user/repos", "full_name")

    def _owned_by(self, login: str) -> list[Repository]:
        wanted = login.lower()
        return [of for of in self.world.repositories.values() if of.owner.login.lower() == wanted]

    def _listing(self, repositories: list[Repository], path: str, sort: str) -> Response:
        viewer = current_viewer()
        found = self._sorted([of for of in repositories if viewer.reaches(of)], sort)
        page = Page.of(request.args)
        rows = [
            full_repository_body(of, api_url(), last_push(self.world, of))
            | {"permissions": viewer.permissions(of), "temp_clone_token": ""}
            for of in page.cut(found)
        ]
        return with_link(json_response(rows), api_url() + path, page, len(found))

    def _sorted(self, repositories: list[Repository], sort: str) -> list[Repository]:
        sort = request.args.get("sort") or sort
        keys: dict[str, Callable[[Repository], str | datetime]] = {
            "full_name": lambda of: of.full_name.lower(),
            "created": lambda of: of.created_at,
            "updated": lambda of: last_push(self.world, of),
            "pushed": lambda of: last_push(self.world, of),
        }
        direction = request.args.get("direction") or ("asc" if sort == "full_name" else "desc")
        by_id = sorted(repositories, key=lambda of: of.id)
        return sorted(by_id, key=keys.get(sort, keys["full_name"]), reverse=direction == "desc")
