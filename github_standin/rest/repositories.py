"""Repositories: one, those of an owner, and those of whoever asks."""

from collections.abc import Callable
from datetime import datetime

from flask import Response, request

from github_standin.payloads.repositories import Body, full_repository_body
from github_standin.responses import (
    ForbiddenError,
    NotFoundError,
    Page,
    api_url,
    error_response,
    json_response,
    page_response,
)
from github_standin.rest.current import current_viewer, current_world
from github_standin.rest.routing import Routes
from github_standin.world.model import Repository

routes = Routes("repositories", __name__)


@routes.below_repository("")
def get_repository(repository: Repository) -> Response:
    """The repository itself, with what the one who asks may do there."""
    return json_response(_body(repository))


@routes.get("/orgs/<login>/repos")
def list_of_organization(login: str) -> Response:
    """What an organization owns, of what the viewer reaches; the newest first."""
    owned = _owned_by(login)
    if not owned or owned[0].owner.type != "Organization":
        raise NotFoundError
    return _listing(owned, f"/orgs/{login}/repos", "created")


@routes.get("/users/<login>/repos")
def list_of_user(login: str) -> Response:
    """What is public of what an account owns."""
    owned = _owned_by(login)
    if not owned and current_world().people.user_named(login) is None:
        raise NotFoundError
    public = [of for of in owned if of.visibility == "public"]
    return _listing(public, f"/users/{login}/repos", "full_name")


@routes.get("/user/repos")
def list_of_viewer() -> Response:
    """What a person was given a role in; with the collector's token everything."""
    world, viewer = current_world(), current_viewer()
    if viewer.token is not None:
        raise ForbiddenError("Resource not accessible by integration")
    if viewer.user is None and not request.headers.get("Authorization"):
        return error_response(401, "Requires authentication")
    found = list(world.repositories.values())
    if viewer.user is not None:
        found = [of for of in found if world.people.role(viewer.user, of) != "none"]
    return _listing(found, "/user/repos", "full_name")


def listed_body(repository: Repository) -> Body:
    """A row of a listing, with what the viewer may do there."""
    return _body(repository) | {"temp_clone_token": ""}


def _body(repository: Repository) -> Body:
    body = full_repository_body(repository, api_url(), current_world().last_push(repository))
    return body | {"permissions": current_viewer().permissions(repository)}


def _owned_by(login: str) -> list[Repository]:
    everything = current_world().repositories.values()
    return [of for of in everything if of.owner.login.lower() == login.lower()]


def _listing(repositories: list[Repository], path: str, sort: str) -> Response:
    viewer = current_viewer()
    found = _sorted([of for of in repositories if viewer.reaches(of)], sort)
    page = Page.of(request.args)
    rows = [listed_body(of) for of in page.cut(found)]
    return page_response(rows, api_url() + path, page, len(found))


def _sorted(repositories: list[Repository], sort: str) -> list[Repository]:
    sort = request.args.get("sort") or sort
    keys: dict[str, Callable[[Repository], str | datetime]] = {
        "full_name": lambda of: of.full_name.lower(),
        "created": lambda of: of.created_at,
        "updated": current_world().last_push,
        "pushed": current_world().last_push,
    }
    direction = request.args.get("direction") or ("asc" if sort == "full_name" else "desc")
    by_id = sorted(repositories, key=lambda of: of.id)
    return sorted(by_id, key=keys.get(sort, keys["full_name"]), reverse=direction == "desc")
