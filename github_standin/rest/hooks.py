"""Webhooks of a repository, for who administers it."""

from flask import Flask, Response, request

from github_standin.payloads.repositories import Body
from github_standin.responses import (
    ForbiddenError,
    NotFoundError,
    api_url,
    json_body,
    json_response,
    no_content,
    with_link,
)
from github_standin.rest.access import current_viewer
from github_standin.rest.queries import Page
from github_standin.rest.routing import add_below_repository
from github_standin.webhooks.registry import HookRegistry
from github_standin.world.hooks import HookSettings, config_body, hook_body
from github_standin.world.model import Repository
from github_standin.world.world import World


def add_routes(app: Flask, world: World, hooks: HookRegistry) -> None:
    """Add what is below `…/hooks`."""
    routes = _Routes(hooks)
    for path, handler, method in (
        ("", routes.hooks, "GET"),
        ("", routes.create_hook, "POST"),
        ("/<int:hook_id>", routes.hook, "GET"),
        ("/<int:hook_id>", routes.change_hook, "PATCH"),
        ("/<int:hook_id>", routes.delete_hook, "DELETE"),
        ("/<int:hook_id>/config", routes.hook_config, "GET"),
        ("/<int:hook_id>/config", routes.change_hook_config, "PATCH"),
        ("/<int:hook_id>/pings", routes.ping_hook, "POST"),
    ):
        add_below_repository(app, world, f"/hooks{path}", handler, method)


class _Routes:
    def __init__(self, registry: HookRegistry) -> None:
        self.registry = registry

    def hooks(self, repository: Repository) -> Response:
        """The repository's hooks."""
        _check_rights(repository)
        found, page = self.registry.of(repository), Page.of(request.args)
        response = json_response([self._body(repository, hook) for hook in page.cut(found)])
        return with_link(
            response, f"{api_url()}/repositories/{repository.id}/hooks", page, len(found)
        )

    def create_hook(self, repository: Repository) -> Response:
        """A new hook, which is pinged."""
        _check_rights(repository)
        hook = self.registry.add(repository, json_body())
        body = self._body(repository, hook)
        response = json_response(body, 201)
        response.headers["Location"] = body["url"]
        return response

    def hook(self, repository: Repository, hook_id: int) -> Response:
        """One hook, its secret hidden."""
        return json_response(self._body(repository, self._found(repository, hook_id)))

    def change_hook(self, repository: Repository, hook_id: int) -> Response:
        """The hook, changed."""
        found = self._found(repository, hook_id)
        return json_response(
            self._body(repository, self.registry.change(repository, found, json_body()))
        )

    def delete_hook(self, repository: Repository, hook_id: int) -> Response:
        """Nothing: it is gone."""
        self.registry.remove(self._found(repository, hook_id))
        return no_content()

    def hook_config(self, repository: Repository, hook_id: int) -> Response:
        """Where the hook sends, its secret hidden."""
        return json_response(config_body(self._found(repository, hook_id)))

    def change_hook_config(self, repository: Repository, hook_id: int) -> Response:
        """Where it sends, changed."""
        found = self._found(repository, hook_id)
        return json_response(config_body(self.registry.configure(repository, found, json_body())))

    def ping_hook(self, repository: Repository, hook_id: int) -> Response:
        """Nothing: the ping is on its way."""
        self.registry.ping(repository, self._found(repository, hook_id))
        return no_content()

    def _found(self, repository: Repository, hook_id: int) -> HookSettings:
        _check_rights(repository)
        for hook in self.registry.of(repository):
            if hook.id == hook_id:
                return hook
        raise NotFoundError

    def _body(self, repository: Repository, hook: HookSettings) -> Body:
        return hook_body(hook, repository, api_url(), self.registry.last_response(hook))


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
