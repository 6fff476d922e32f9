"""Bodies of installations, and payloads of what happens to them and to authorizations."""

from collections.abc import Collection, Iterable
from datetime import UTC, datetime

from github_standin.payloads.repositories import (
    WEB,
    Body,
    account_body,
    node_id,
    organization_body,
    timestamp,
)
from github_standin.world.model import Repository, account
from github_standin.world.people import App, AppChange, Installation

_NOBODYS_APP = App("Iv1.standin", "", ())
"""What payloads name where a test installs the App without registering it."""


_EVENTS = ("repository", "workflow_job", "workflow_run")
_OWNER = account("octocat")
_REGISTERED = datetime(2020, 1, 1, tzinfo=UTC)


def selection_of(installation: Installation) -> str:
    """`all` or `selected`."""
    return "all" if installation.repository_ids is None else "selected"


def installation_body(installation: Installation, app: App | None, api: str) -> Body:
    """Schema `installation`."""
    app = app or _NOBODYS_APP
    of, by = installation.account, installation.suspended_by
    where = f"organizations/{of.login}/" if of.type == "Organization" else ""
    return {
        "id": installation.id,
        "client_id": app.client_id,
        "account": account_body(of, api),
        "repository_selection": selection_of(installation),
        "access_tokens_url": f"{api}/app/installations/{installation.id}/access_tokens",
        "repositories_url": f"{api}/installation/repositories",
        "html_url": f"{WEB}/{where}settings/installations/{installation.id}",
        "app_id": app.id,
        "app_slug": app.slug,
        "target_id": of.id,
        "target_type": of.type,
        "permissions": dict(installation.permissions),
        "events": list(_EVENTS),
        "created_at": timestamp(installation.created_at),
        "updated_at": timestamp(installation.updated_at),
        "single_file_name": None,
        "has_multiple_single_files": False,
        "single_file_paths": [],
        "suspended_by": None if by is None else account_body(by, api),
        "suspended_at": timestamp(installation.suspended_at),
    }


def app_body(app: App, installations: Collection[Installation], api: str) -> Body:
    """Schema `integration`."""
    granted: dict[str, str] = {}
    for of in installations:
        granted |= of.permissions
    return {
        "id": app.id,
        "slug": app.slug,
        "node_id": node_id("A", app.id),
        "client_id": app.client_id,
        "owner": account_body(_OWNER, api),
        "name": app.slug,
        "description": None,
        "external_url": WEB,
        "html_url": f"{WEB}/apps/{app.slug}",
        "created_at": timestamp(_REGISTERED),
        "updated_at": timestamp(_REGISTERED),
        "permissions": granted,
        "events": list(_EVENTS),
        "installations_count": len(installations),
    }


def app_event_body(change: AppChange, app: App | None, api: str) -> Body:
    """The payload of what happened to an installation, or to the sender's authorization."""
    body: Body = {"action": change.action, "sender": account_body(change.sender, api)}
    if change.installation is None:
        return body
    of = change.installation
    body |= {"installation": installation_body(of, app, api), "requester": None}
    if of.account.type == "Organization":
        body["organization"] = organization_body(of.account, api)
    concerned = _short(change.repositories)
    if change.event == "installation":
        return body | {"repositories": concerned}
    return body | {
        "repository_selection": selection_of(of),
        "repositories_added": concerned if change.action == "added" else [],
        "repositories_removed": concerned if change.action == "removed" else [],
    }


def _short(repositories: Iterable[Repository]) -> list[Body]:
    return [
        {
            "id": repository.id,
            "node_id": node_id("R", repository.id),
            "name": repository.name,
            "full_name": repository.full_name,
            "private": repository.visibility != "public",
        }
        for repository in repositories
    ]
