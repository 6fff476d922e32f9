"""People and what they reach of the App's installations: `/user`, `/users/{login}`."""

from flask import Response, request

from github_standin.payloads.people import installation_body, selection_of
from github_standin.payloads.repositories import user_body
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
from github_standin.rest.repositories import listed_body
from github_standin.rest.routing import Routes
from github_standin.world.model import Account, account
from github_standin.world.people import App, Installation, User
from github_standin.world.world import LONG_AGO

_COLLECTOR = account("github-standin")

routes = Routes("users", __name__)


@routes.get("/user")
def get_viewer() -> Response:
    """The owner of the token; without one there is nobody."""
    viewer = current_viewer()
    if viewer.token is not None:
        raise ForbiddenError("Resource not accessible by integration")
    if viewer.user is None and not request.headers.get("Authorization"):
        return error_response(401, "Requires authentication")
    return _shown(viewer.user or User(_COLLECTOR))


@routes.get("/users/<login>")
def get_user(login: str) -> Response:
    """Anybody: a person, an owner of repositories, the collector."""
    return _shown(current_world().people.user_named(login) or User(_account(login)))


@routes.get("/user/installations")
def list_installations() -> Response:
    """The installations in which the user was given a role somewhere, suspended ones too."""
    user, app = _user_and_app()
    found, page = _visible_to(user), Page.of(request.args)
    rows = [installation_body(of, app, api_url()) for of in page.cut(found)]
    body = {"total_count": len(found), "installations": rows}
    return page_response(body, f"{api_url()}/user/installations", page, len(found))


@routes.get("/user/installations/<int:installation_id>/repositories")
def list_installation_repositories(installation_id: int) -> Response:
    """The repositories of an installation in which the user was given a role."""
    user, _ = _user_and_app()
    people = current_world().people
    installation = people.installations.get(installation_id)
    if installation is None or installation not in _visible_to(user):
        raise NotFoundError
    if installation.suspended_at is not None:
        raise ForbiddenError("This installation has been suspended")
    found, page = people.explicit_repositories(user, installation), Page.of(request.args)
    body = {
        "total_count": len(found),
        "repository_selection": selection_of(installation),
        "repositories": [listed_body(of) for of in page.cut(found)],
    }
    url = f"{api_url()}/user/installations/{installation_id}/repositories"
    return page_response(body, url, page, len(found))


def _shown(user: User) -> Response:
    return json_response(user_body(user.account, user.name, api_url(), LONG_AGO))


def _user_and_app() -> tuple[User, App]:
    user, app = current_viewer().user, current_world().people.app
    if user is None or app is None:
        raise ForbiddenError(
            "You must authenticate with an access token authorized to a GitHub App"
            " in order to list installations"
        )
    return user, app


def _visible_to(user: User) -> list[Installation]:
    people = current_world().people
    return [
        of
        for of in people.installations.values()
        if of.account.id == user.account.id or people.explicit_repositories(user, of)
    ]


def _account(login: str) -> Account:
    owners = [repository.owner for repository in current_world().repositories.values()]
    for of in (*owners, _COLLECTOR):
        if of.login.lower() == login.lower():
            return of
    raise NotFoundError
