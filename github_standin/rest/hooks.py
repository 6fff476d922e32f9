"""Webhooks of a repository, for who administers it, and what those of an organization delivered."""

from flask import Response, request

from github_standin.payloads.hooks import config_body, hook_body
from github_standin.payloads.repositories import Body
from github_standin.responses import (
    ForbiddenError,
    NotFoundError,
    Page,
    api_url,
    json_body,
    json_response,
    no_content,
    page_response,
)
from github_standin.rest import deliveries
from github_standin.rest.current import current_hooks, current_viewer
from github_standin.rest.routing import Routes
from github_standin.world.hooks import HookSettings
from github_standin.world.model import Repository

routes = Routes("hooks", __name__)


@routes.below_repository("/hooks")
def list_hooks(repository: Repository) -> Response:
    """The repository's hooks."""
    _check_rights(repository)
    found, page = current_hooks().of(repository), Page.of(request.args)
    rows = [_body(repository, hook) for hook in page.cut(found)]
    return page_response(rows, f"{api_url()}/repositories/{repository.id}/hooks", page, len(found))


@routes.below_repository("/hooks", "POST")
def create_hook(repository: Repository) -> Response:
    """A new hook, which is pinged."""
    _check_rights(repository)
    body = _body(repository, current_hooks().add(repository, json_body()))
    response = json_response(body, 201)
    response.headers["Location"] = body["url"]
    return response


@routes.below_repository("/hooks/<int:hook_id>")
def get_hook(repository: Repository, hook_id: int) -> Response:
    """One hook, its secret hidden."""
    return json_response(_body(repository, _hook(repository, hook_id)))


@routes.below_repository("/hooks/<int:hook_id>", "PATCH")
def update_hook(repository: Repository, hook_id: int) -> Response:
    """The hook, changed."""
    changed = current_hooks().change(repository, _hook(repository, hook_id), json_body())
    return json_response(_body(repository, changed))


@routes.below_repository("/hooks/<int:hook_id>", "DELETE")
def delete_hook(repository: Repository, hook_id: int) -> Response:
    """Nothing: it is gone."""
    current_hooks().remove(_hook(repository, hook_id))
    return no_content()


@routes.below_repository("/hooks/<int:hook_id>/config")
def get_hook_config(repository: Repository, hook_id: int) -> Response:
    """Where the hook sends, its secret hidden."""
    return json_response(config_body(_hook(repository, hook_id)))


@routes.below_repository("/hooks/<int:hook_id>/config", "PATCH")
def update_hook_config(repository: Repository, hook_id: int) -> Response:
    """Where it sends, changed."""
    found = _hook(repository, hook_id)
    return json_response(config_body(current_hooks().configure(repository, found, json_body())))


@routes.below_repository("/hooks/<int:hook_id>/pings", "POST")
def ping_hook(repository: Repository, hook_id: int) -> Response:
    """Nothing: the ping is on its way."""
    current_hooks().ping(repository, _hook(repository, hook_id))
    return no_content()


@routes.below_repository("/hooks/<int:hook_id>/deliveries")
def list_hook_deliveries(repository: Repository, hook_id: int) -> Response:
    """What was delivered, or should have been."""
    return deliveries.listed(current_hooks().sender_of(_hook(repository, hook_id)))


@routes.below_repository("/hooks/<int:hook_id>/deliveries/<int:attempt_id>/attempts", "POST")
def redeliver(repository: Repository, hook_id: int, attempt_id: int) -> Response:
    """Nothing: it is delivered again."""
    hook = _hook(repository, hook_id)
    return deliveries.redelivered(current_hooks().sender_of(hook), attempt_id)


@routes.get("/orgs/<login>/hooks/<int:hook_id>/deliveries")
def list_organization_deliveries(login: str, hook_id: int) -> Response:
    """What was delivered, or should have been."""
    _check_rights_in_organization()
    return deliveries.listed(current_hooks().sender_of_organization(login, hook_id))


@routes.post("/orgs/<login>/hooks/<int:hook_id>/deliveries/<int:attempt_id>/attempts")
def redeliver_of_organization(login: str, hook_id: int, attempt_id: int) -> Response:
    """Nothing: it is delivered again."""
    _check_rights_in_organization()
    sender = current_hooks().sender_of_organization(login, hook_id)
    return deliveries.redelivered(sender, attempt_id)


def _hook(repository: Repository, hook_id: int) -> HookSettings:
    _check_rights(repository)
    for hook in current_hooks().of(repository):
        if hook.id == hook_id:
            return hook
    raise NotFoundError


def _body(repository: Repository, hook: HookSettings) -> Body:
    return hook_body(hook, repository, api_url(), current_hooks().last_response(hook))


def _check_rights_in_organization() -> None:
    viewer = current_viewer()
    if viewer.token is None:
        if viewer.user is None and viewer.administers_hooks:
            return
        raise ForbiddenError("Resource not accessible by personal access token")
    access = "read" if request.method == "GET" else "write"
    if not viewer.token.grants("organization_hooks", access):
        raise ForbiddenError("Resource not accessible by integration")


def _check_rights(repository: Repository) -> None:
    """Hooks are for admins, through an App that was granted them, and for its installations; for
    the collector's credential where the server was told so."""
    viewer = current_viewer()
    if viewer.user is None and viewer.token is None:
        if not viewer.administers_hooks:
            raise ForbiddenError("Resource not accessible by personal access token")
        return
    access = "read" if request.method == "GET" else "write"
    if not viewer.app_may("repository_hooks", access, repository):
        raise ForbiddenError("Resource not accessible by integration")
    if viewer.token is None and not viewer.may("admin", repository):
        raise NotFoundError
