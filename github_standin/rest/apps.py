"""The App itself, by what it signs, and its installations, by their tokens."""

from typing import Any

from flask import Flask, Response, request

from github_standin.payloads.people import app_body, installation_body, selection_of
from github_standin.payloads.repositories import Body, full_repository_body, timestamp
from github_standin.responses import (
    ForbiddenError,
    InvalidBodyError,
    NotFoundError,
    api_url,
    json_body,
    json_response,
    no_content,
    with_link,
)
from github_standin.rest.access import credential, current_viewer
from github_standin.rest.queries import Page, last_push
from github_standin.rest.routing import add_below_repository
from github_standin.world.model import Repository
from github_standin.world.people import App, Installation
from github_standin.world.tokens import InstallationToken
from github_standin.world.world import World

MOST_REPOSITORIES = 500
"""A token can be for so many chosen repositories."""


def add_routes(app: Flask, world: World) -> None:
    """Add what an App asks in its own name and as one of its installations."""
    routes = _Routes(world)
    for path, handler, method in (
        ("/app", routes.app, "GET"),
        ("/app/hook/config", routes.hook_config, "GET"),
        ("/apps/<slug>", routes.app_named, "GET"),
        ("/app/installations", routes.installations, "GET"),
        ("/app/installations/<int:number>", routes.installation, "GET"),
        ("/app/installations/<int:number>/access_tokens", routes.access_token, "POST"),
        ("/installation/repositories", routes.repositories, "GET"),
        ("/installation/token", routes.delete_token, "DELETE"),
        ("/orgs/<login>/installation", routes.installation_of, "GET"),
        ("/users/<login>/installation", routes.installation_of, "GET"),
    ):
        app.add_url_rule(path, f"app {path}", handler, methods=[method])
    add_below_repository(app, world, "/installation", routes.repository_installation)


class _Routes:
    def __init__(self, world: World) -> None:
        self.world = world
        self.people = world.people

    def app(self) -> Response:
        """The App."""
        app = self._registered()
        return json_response(app_body(app, self.people.installations.values(), api_url()))

    def hook_config(self) -> Response:
        """Where its own webhook sends, the secret hidden."""
        url = self._registered().webhook_url
        if url is None:
            raise NotFoundError
        return json_response(
            {"url": url, "content_type": "json", "insecure_ssl": "0", "secret": "********"}
        )

    def app_named(self, slug: str) -> Response:
        """The App, by what its address calls it; a private one is hidden from strangers."""
        app = self._registered()
        is_stranger = not request.headers.get("Authorization")
        if app.slug != slug or (is_stranger and not app.is_public):
            raise NotFoundError
        return json_response(app_body(app, self.people.installations.values(), api_url()))

    def installations(self) -> Response:
        """Its installations, suspended ones too."""
        app, page = self._registered(), Page.of(request.args)
        found = list(self.people.installations.values())
        rows = [installation_body(of, app, api_url()) for of in page.cut(found)]
        return with_link(json_response(rows), f"{api_url()}/app/installations", page, len(found))

    def installation(self, number: int) -> Response:
        """One installation."""
        return self._shown(self._installation(number))

    def installation_of(self, login: str) -> Response:
        """The installation on an account."""
        for of in self.people.installations.values():
            if of.account.login.lower() == login.lower():
                return self._shown(of)
        raise NotFoundError

    def repository_installation(self, repository: Repository) -> Response:
        """The installation that covers a repository."""
        found = self.people.installation_on(repository)
        if found is None:
            raise NotFoundError
        return self._shown(found)

    def access_token(self, number: int) -> Response:
        """A new token of an installation, for all that it reaches or for less."""
        installation, asked = self._installation(number), json_body()
        if installation.suspended_at is not None:
            raise ForbiddenError("This installation has been suspended")
        chosen = self._chosen(installation, asked)
        permissions = asked.get("permissions") or installation.permissions
        for name, access in permissions.items():
            if not installation.grants(name, access):
                raise InvalidBodyError("The permissions requested are not granted")
        ids = None if chosen is None else frozenset(of.id for of in chosen)
        token = self.people.tokens.issue_to_installation(number, dict(permissions), ids)
        body = _token_body(token, installation)
        if chosen is not None:
            body["repositories"] = [self._repository_body(of) for of in chosen]
        return json_response(body, 201)

    def repositories(self) -> Response:
        """What the token reaches of what its installation covers."""
        token = current_viewer().token
        if token is None:
            raise ForbiddenError("You must authenticate with an installation access token")
        installation = self.people.installations[token.installation_id]
        covered = self.people.repositories_of(installation)
        chosen = token.repository_ids
        found = [of for of in covered if chosen is None or of.id in chosen]
        page = Page.of(request.args)
        selection = selection_of(installation)
        body = {
            "total_count": len(found),
            "repository_selection": selection if chosen is None else "selected",
            "repositories": [self._repository_body(of) for of in page.cut(found)],
        }
        return with_link(
            json_response(body), f"{api_url()}/installation/repositories", page, len(found)
        )

    def delete_token(self) -> Response:
        """Nothing: the token that asked is no more."""
        given = credential(request.headers.get("Authorization"))
        if current_viewer().token is None or given is None:
            raise ForbiddenError("You must authenticate with an installation access token")
        self.people.tokens.revoke(given)
        return no_content()

    def _chosen(self, installation: Installation, asked: dict[str, Any]) -> list[Repository] | None:
        ids, names = asked.get("repository_ids") or [], asked.get("repositories") or []
        if not ids and not names:
            return None
        covered = self.people.repositories_of(installation)
        found = [of for of in covered if of.id in ids or of.name in names]
        if len(found) < len(ids) + len(names) or len(found) > MOST_REPOSITORIES:
            raise InvalidBodyError("There is at least one repository that does not exist")
        return found

    def _repository_body(self, repository: Repository) -> Body:
        body = full_repository_body(repository, api_url(), last_push(self.world, repository))
        permissions = current_viewer().permissions(repository)
        return body | {"permissions": permissions, "temp_clone_token": ""}

    def _installation(self, number: int) -> Installation:
        found = self.people.installations.get(number)
        if found is None:
            raise NotFoundError
        return found

    def _shown(self, installation: Installation) -> Response:
        return json_response(installation_body(installation, self._registered(), api_url()))

    def _registered(self) -> App:
        if self.people.app is None:
            raise NotFoundError
        return self.people.app


def _token_body(token: InstallationToken, installation: Installation) -> Body:
    return {
        "token": token.token,
        "expires_at": timestamp(token.expires_at),
        "permissions": token.permissions,
        "repository_selection": (
            selection_of(installation) if token.repository_ids is None else "selected"
        ),
    }
