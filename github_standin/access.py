"""Whose request it is, and what that one may reach.

The collector's credential reaches everything: the configured token, or, where none is configured,
whatever is no user's token, and nothing at all too. A user's token never counts as the collector's.
"""

from dataclasses import dataclass

from flask import request

from github_standin.model import Repository
from github_standin.people import ROLES, People, Role, User
from github_standin.tokens import ACCESS_PREFIX, REFRESH_PREFIX

ENVIRONMENT_KEY = "github_standin.viewer"


class UnauthorizedError(Exception):
    """The credential is missing or wrong (401)."""


@dataclass(frozen=True)
class Viewer:
    """Who asks: *user* None: the collector, who may administer hooks or not."""

    people: People
    user: User | None
    administers_hooks: bool = False

    def reaches(self, repository: Repository) -> bool:
        """Whether the repository exists for them: what they cannot reach is not found."""
        if self.user is None or repository.visibility == "public":
            return True
        return self._is_installed(repository) and self.people.role(self.user, repository) != "none"

    def may(self, role: Role, repository: Repository) -> bool:
        """Whether they have at least this role there, whatever the App was granted."""
        if self.user is None:
            return role == "read" or self.administers_hooks
        held = self.people.role(self.user, repository)
        if held == "none" and repository.visibility == "public":
            held = "read"
        return ROLES.index(held) >= ROLES.index(role)

    def permissions(self, repository: Repository) -> dict[str, bool]:
        """What `permissions` of the repository says."""
        names: dict[str, Role] = {
            "admin": "admin",
            "maintain": "maintain",
            "push": "write",
            "triage": "triage",
            "pull": "read",
        }
        return {name: self.may(role, repository) for name, role in names.items()}

    def app_may(self, permission: str, access: str, repository: Repository) -> bool:
        """Whether the App was granted *permission* ("read" or "write") there."""
        installation = self.people.installation_on(repository)
        if installation is None or installation.suspended_at is not None:
            return False
        granted = installation.permissions.get(permission)
        return granted == access or granted == "write"

    def _is_installed(self, repository: Repository) -> bool:
        installation = self.people.installation_on(repository)
        return installation is not None and installation.suspended_at is None


def credential(authorization: str | None) -> str | None:
    """The token in an `Authorization` header; None: there is no header. Another scheme than bearer
    and token gives an empty one, which nobody has."""
    if not authorization:
        return None
    scheme, _, given = authorization.partition(" ")
    return given.strip() if scheme.lower() in ("bearer", "token") else ""


def viewer_of(
    people: People, authorization: str | None, token: str | None, *, administers_hooks: bool
) -> Viewer:
    """Who sent this `Authorization`, if *token* is the collector's. Raises `UnauthorizedError`."""
    given = credential(authorization)
    if given is not None and given.startswith((ACCESS_PREFIX, REFRESH_PREFIX)) and given != token:
        user_id = people.tokens.user_id_of(given)
        if user_id is None:
            raise UnauthorizedError("Bad credentials")
        return Viewer(people, people.users[user_id])
    if token is not None:
        if given is None:
            raise UnauthorizedError("Requires authentication")
        if given != token:
            raise UnauthorizedError("Bad credentials")
    return Viewer(people, None, administers_hooks)


def current_viewer() -> Viewer:
    """Who sent the request that is being answered."""
    viewer: Viewer = request.environ[ENVIRONMENT_KEY]
    return viewer
