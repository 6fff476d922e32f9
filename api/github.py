"""What GitHub says of repositories and installations to somebody: a person, or the collector."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, cast

from flask import Flask, current_app

from actionsight.github.client import GitHubClient
from actionsight.github.errors import RefusedError, UnexpectedResponseError
from actionsight.github.oauth import OAuthClient
from actionsight.github.pagination import get_object, iter_items
from actionsight.settings import Settings

Role = Literal["read", "triage", "write", "maintain", "admin"]

# Each may do what the ones before it may; beside each, what GitHub's `permissions` calls it.
ROLES: Mapping[Role, str] = {
    "read": "pull",
    "triage": "triage",
    "write": "push",
    "maintain": "maintain",
    "admin": "admin",
}
# Who has one of these decides what is monitored.
MANAGING: frozenset[Role] = frozenset({"maintain", "admin"})

_EXTENSION = "oauth"


class Repository(NamedTuple):
    """A repository as GitHub shows it to who asks; `role` None: it is shown, and nothing more."""

    repository_id: int
    full_name: str
    visibility: str
    html_url: str | None
    role: Role | None


class Installed(NamedTuple):
    """What a person reaches of the App's installations, and by which name GitHub's pages know it
    (None: there is no installation)."""

    repositories: list[Repository]
    app_slug: str | None


@dataclass(frozen=True)
class GitHub:
    """GitHub as one client reaches it; every method raises GitHubError."""

    client: GitHubClient = field(repr=False)

    def repository(self, full_name: str) -> Repository:
        """A repository, by its name; one that was renamed has another name then."""
        return _repository(get_object(self.client, f"/repos/{full_name}"))

    def installations(self) -> Iterator[Mapping[str, Any]]:
        """The App's installations that GitHub lists for the person, suspended ones too."""
        return iter_items(self.client, "/user/installations", "installations")

    def installed(self) -> Installed:
        """Every repository that the person was given a role in, of those that the App reaches.

        What is suspended is left out, and so is what GitHub does not show at this moment.
        """
        repositories: dict[int, Repository] = {}
        app_slug = None
        for installation in self.installations():
            app_slug = app_slug or installation.get("app_slug")
            if installation.get("suspended_at") is None:
                found = self._repositories_of(installation.get("id"))
                repositories |= {each.repository_id: each for each in found}
        return Installed([each for each in repositories.values() if each.role], app_slug)

    def _repositories_of(self, installation_id: Any) -> list[Repository]:
        path = f"/user/installations/{installation_id}/repositories"
        try:
            return list(map(_repository, iter_items(self.client, path, "repositories")))
        except RefusedError:
            return []  # it was suspended or ended since it was listed


def init_app(app: Flask, settings: Settings) -> None:
    """Give this application its way to GitHub in people's names."""
    app.extensions[_EXTENSION] = OAuthClient(settings)


def oauth_of(app: Flask) -> OAuthClient:
    """GitHub as that application reaches it in people's names."""
    extension: Any = app.extensions[_EXTENSION]
    return cast(OAuthClient, extension)


def current_oauth() -> OAuthClient:
    """GitHub as the application that answers now reaches it in people's names."""
    return oauth_of(current_app)


def owner_of(installation: Mapping[str, Any]) -> str | None:
    """On whose account an installation is, in lower case; None: on none that has repositories, such
    as an enterprise."""
    account = installation.get("account")
    login = account.get("login") if isinstance(account, Mapping) else None
    return login.lower() if isinstance(login, str) else None


def _repository(body: Mapping[str, Any]) -> Repository:
    try:
        visibility = body.get("visibility") or ("private" if body["private"] else "public")
        return Repository(
            int(body["id"]),
            str(body["full_name"]),
            str(visibility),
            body.get("html_url"),
            _role(body.get("permissions")),
        )
    except (KeyError, TypeError, ValueError):
        raise UnexpectedResponseError("GitHub's answer is no repository") from None


def _role(permissions: Any) -> Role | None:
    if not isinstance(permissions, Mapping):
        return None
    held = [role for role, name in ROLES.items() if permissions.get(name) is True]
    return held[-1] if held else None
