"""People and what they reach of the App's installations: `/user`, `/users/{login}`."""

from flask import Flask, Response, request

from github_standin.payloads.people import installation_body, selection_of
from github_standin.payloads.repositories import full_repository_body, user_body
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
from github_standin.world.model import Account, account
from github_standin.world.people import App, Installation, User
from github_standin.world.world import LONG_AGO, World

_COLLECTOR = account("github-standin")


def add_routes(app: Flask, world: World) -> None:
    """Add the paths that begin with a person."""
    routes = _Routes(world)
    app.add_url_rule("/user", view_func=routes.user)
    app.add_url_rule("/users/<login>", view_func=routes.person)
    app.add_url_rule("/user/installations", view_func=routes.installations)
    app.add_url_rule(
        "/user/installations/<int:installation_id>/repositories", view_func=routes.repositories
    )


class _Routes:
    def __init__(self, world: World) -> None:
        self.world = world
        self.people = world.people

    def user(self) -> Response:
        """The owner of the token; without one there is nobody."""
        user = current_viewer().user
        if current_viewer().token is not None:
            raise ForbiddenError("Resource not accessible by integration")
        if user is None and not request.headers.get("Authorization"):
            return error_response(401, "Requires authentication")
        user = user or User(_COLLECTOR)
        return json_response(user_body(user.account, user.name, api_url(), LONG_AGO))

    def person(self, login: str) -> Response:
        """Anybody: a person, an owner of repositories, the collector."""
        user = self.people.user_named(login) or User(self._account(login))
        return json_response(user_body(user.account, user.name, api_url(), LONG_AGO))

    def installations(self) -> Response:
        """The installations in which the user was given a role somewhere, suspended ones too."""
        user, app = self._asked_by_app()
        found = self._visible(user)
        page = Page.of(request.args)
        rows = [installation_body(of, app, api_url()) for of in page.cut(found)]
        response = json_response({"total_count": len(found), "installations": rows})
        return with_link(response, f"{api_url()}/user/installations", page, len(found))

    def repositories(self, installation_id: int) -> Response:
        """The repositories of an installation in which the user was given a role."""
        user, _ = self._asked_by_app()
        installation = self.people.installations.get(installation_id)
        if installation is None or installation not in self._visible(user):
            raise NotFoundError
        if installation.suspended_at is not None:
            raise ForbiddenError("This installation has been suspended")
        found = self.people.explicit_repositories(user, installation)
        page, viewer = Page.of(request.args), current_viewer()
        rows = [
            full_repository_body(repository, api_url(), last_push(self.world, repository))
            | {"permissions": viewer.permissions(repository), "temp_clone_token": ""}
            for repository in page.cut(found)
        ]
        selection = selection_of(installation)
        body = {"total_count": len(found), "repository_selection": selection, "repositories": rows}
        url = f"{api_url()}/user/installations/{installation_id}/repositories"
        return with_link(json_response(body), url, page, len(found))

    def _asked_by_app(self) -> tuple[User, App]:
        user, app = current_viewer().user, self.people.app
        if user is None or app is None:
            raise ForbiddenError(
                "You must authenticate with an access token authorized to a GitHub App"
                " in order to list installations"
            )
        return user, app

    def _visible(self, user: User) -> list[Installation]:
        return [
            of
            for of in self.people.installations.values()
            if of.account.id == user.account.id or self.people.explicit_repositories(user, of)
        ]

    def _account(self, login: str) -> Account:
        owners = [repository.owner for repository in self.world.repositories.values()]
        for of in (*owners, _COLLECTOR):
            if of.login.lower() == login.lower():
                return of
        raise NotFoundError
