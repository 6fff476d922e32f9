"""The App itself, by what it signs, and its installations, by their tokens."""

from dataclasses import replace
from typing import Any

from flask import Response, request

from github_standin.payloads.hooks import HIDDEN
from github_standin.payloads.people import app_body, installation_body, selection_of
from github_standin.payloads.repositories import Body, timestamp
from github_standin.responses import (
    ForbiddenError,
    InvalidBodyError,
    NotFoundError,
    Page,
    api_url,
    json_body,
    json_response,
    no_content,
    page_response,
)
from github_standin.rest import deliveries
from github_standin.rest.current import current_hooks, current_viewer, current_world
from github_standin.rest.repositories import listed_body
from github_standin.rest.routing import Routes
from github_standin.world.model import Repository
from github_standin.world.people import App, Installation
from github_standin.world.tokens import InstallationToken

MOST_REPOSITORIES = 500
"""A token can be for so many chosen repositories."""

routes = Routes("apps", __name__)


@routes.get("/app")
def get_app() -> Response:
    """The App."""
    return _shown_app(_registered())


@routes.get("/app/hook/config")
def get_app_hook_config() -> Response:
    """Where its own webhook sends, the secret hidden."""
    url = _registered().webhook_url
    if url is None:
        raise NotFoundError
    config = {"url": url, "content_type": "json", "insecure_ssl": "0", "secret": HIDDEN}
    return json_response(config)


@routes.get("/app/hook/deliveries")
def list_app_deliveries() -> Response:
    """What its own webhook delivered, or should have."""
    _registered()
    return deliveries.listed(current_hooks().sender_of_app())


@routes.post("/app/hook/deliveries/<int:attempt_id>/attempts")
def redeliver_of_app(attempt_id: int) -> Response:
    """Nothing: it is delivered again."""
    _registered()
    return deliveries.redelivered(current_hooks().sender_of_app(), attempt_id)


@routes.patch("/app/hook/config")
def update_app_hook_config() -> Response:
    """Where its own webhook sends, changed."""
    app, asked = _registered(), json_body()
    if app.webhook_url is None:
        raise NotFoundError
    current_world().people.app = replace(app, webhook_url=asked.get("url", app.webhook_url))
    if sender := current_hooks().sender_of_app():
        before = sender.hook
        sender.hook = replace(
            before,
            url=asked.get("url", before.url),
            secret=asked.get("secret", before.secret),
        )
        before.close()
    return get_app_hook_config()


@routes.get("/apps/<slug>")
def get_app_by_slug(slug: str) -> Response:
    """The App, by what its address calls it; a private one is hidden from strangers."""
    app = _registered()
    is_stranger = not request.headers.get("Authorization")
    if app.slug != slug or (is_stranger and not app.is_public):
        raise NotFoundError
    return _shown_app(app)


@routes.get("/app/installations")
def list_installations() -> Response:
    """Its installations, suspended ones too."""
    app, page = _registered(), Page.of(request.args)
    found = list(current_world().people.installations.values())
    rows = [installation_body(of, app, api_url()) for of in page.cut(found)]
    return page_response(rows, f"{api_url()}/app/installations", page, len(found))


@routes.get("/app/installations/<int:number>")
def get_installation(number: int) -> Response:
    """One installation."""
    return _shown(_installation(number))


@routes.get("/orgs/<login>/installation")
@routes.get("/users/<login>/installation")
def get_installation_of_account(login: str) -> Response:
    """The installation on an account."""
    for of in current_world().people.installations.values():
        if of.account.login.lower() == login.lower():
            return _shown(of)
    raise NotFoundError


@routes.below_repository("/installation")
def get_installation_of_repository(repository: Repository) -> Response:
    """The installation that covers a repository."""
    found = current_world().people.installation_on(repository)
    if found is None:
        raise NotFoundError
    return _shown(found)


@routes.post("/app/installations/<int:number>/access_tokens")
def create_installation_token(number: int) -> Response:
    """A new token of an installation, for all that it reaches or for less."""
    installation, asked = _installation(number), json_body()
    if installation.suspended_at is not None:
        raise ForbiddenError("This installation has been suspended")
    chosen = _chosen(installation, asked)
    permissions = asked.get("permissions") or installation.permissions
    for name, access in permissions.items():
        if not installation.grants(name, access):
            raise InvalidBodyError("The permissions requested are not granted")
    ids = None if chosen is None else frozenset(of.id for of in chosen)
    tokens = current_world().people.tokens
    token = tokens.issue_to_installation(number, dict(permissions), ids)
    body: Body = {
        "token": token.token,
        "expires_at": timestamp(token.expires_at),
        "permissions": token.permissions,
        "repository_selection": _selection(installation, token),
    }
    if chosen is not None:
        body["repositories"] = [listed_body(of) for of in chosen]
    return json_response(body, 201)


@routes.get("/installation/repositories")
def list_repositories() -> Response:
    """What the token reaches of what its installation covers."""
    people, token = current_world().people, _own_token()
    installation = people.installations[token.installation_id]
    covered, chosen = people.repositories_of(installation), token.repository_ids
    found = [of for of in covered if chosen is None or of.id in chosen]
    page = Page.of(request.args)
    body = {
        "total_count": len(found),
        "repository_selection": _selection(installation, token),
        "repositories": [listed_body(of) for of in page.cut(found)],
    }
    return page_response(body, f"{api_url()}/installation/repositories", page, len(found))


@routes.delete("/installation/token")
def revoke_installation_token() -> Response:
    """Nothing: the token that asked is no more."""
    current_world().people.tokens.revoke(_own_token().token)
    return no_content()


def _own_token() -> InstallationToken:
    token = current_viewer().token
    if token is None:
        raise ForbiddenError("You must authenticate with an installation access token")
    return token


def _chosen(installation: Installation, asked: dict[str, Any]) -> list[Repository] | None:
    ids, names = asked.get("repository_ids") or [], asked.get("repositories") or []
    if not ids and not names:
        return None
    covered = current_world().people.repositories_of(installation)
    found = [of for of in covered if of.id in ids or of.name in names]
    if len(found) < len(ids) + len(names) or len(found) > MOST_REPOSITORIES:
        raise InvalidBodyError("There is at least one repository that does not exist")
    return found


def _selection(installation: Installation, token: InstallationToken) -> str:
    return selection_of(installation) if token.repository_ids is None else "selected"


def _installation(number: int) -> Installation:
    found = current_world().people.installations.get(number)
    if found is None:
        raise NotFoundError
    return found


def _registered() -> App:
    app = current_world().people.app
    if app is None:
        raise NotFoundError
    return app


def _shown_app(app: App) -> Response:
    installations = current_world().people.installations.values()
    return json_response(app_body(app, installations, api_url()))


def _shown(installation: Installation) -> Response:
    return json_response(installation_body(installation, _registered(), api_url()))
