"""Whose request it is, and what that one may reach.

The collector's credential reaches everything: the configured token, or, where none is configured,
whatever is no user's token and no installation's, and nothing at all too. An installation's token
reaches what it covers, and what is public.
"""

from dataclasses import dataclass

from github_standin.rest.app_jwt import InvalidAppJWTError, check_app_jwt, is_app_jwt
from github_standin.world.model import Repository
from github_standin.world.people import ROLES, People, Role, User
from github_standin.world.tokens import PREFIXES, InstallationToken, UserToken


class UnauthorizedError(Exception):
    """The credential is missing or wrong (401)."""


class SuspendedError(Exception):
    """The installation reaches nothing at present (403)."""


@dataclass(frozen=True)
class Viewer:
    """Who asks: a *user*; or an installation, by its *token*; or, with neither, the collector, who
    may administer hooks or not."""

    people: People
    user: User | None = None
    administers_hooks: bool = False
    token: InstallationToken | None = None

    def reaches(self, repository: Repository) -> bool:
        """Whether the repository exists for them: what they cannot reach is not found."""
        if repository.visibility == "public":
            return True
        if self.token is not None:
            return self.is_granted(repository)
        if self.user is None:
            return True
        return self._is_installed(repository) and self.people.role(self.user, repository) != "none"

    def reads_actions(self, repository: Repository) -> bool:
        """Whether runs, which are everybody's where the repository is public, are theirs to
        read."""
        if self.token is None or repository.visibility == "public":
            return True
        return self.token.grants("actions", "read")

    def is_granted(self, repository: Repository) -> bool:
        """Whether the token of an installation is for this repository."""
        if self.token is None:
            return False
        installation = self.people.installations.get(self.token.installation_id)
        chosen = self.token.repository_ids
        return (
            installation is not None
            and installation.covers(repository)
            and (chosen is None or repository.id in chosen)
        )

    def may(self, role: Role, repository: Repository) -> bool:
        """Whether they have at least this role there, whatever the App was granted."""
        if self.token is not None:
            return role == "read" and self.reaches(repository)
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
        if self.token is not None:
            return self.is_granted(repository) and self.token.grants(permission, access)
        installation = self.people.installation_on(repository)
        if installation is None or installation.suspended_at is not None:
            return False
        return installation.grants(permission, access)

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


def authenticate(
    people: People, authorization: str | None, token: str | None, *, administers_hooks: bool
) -> Viewer:
    """Who sent this `Authorization`, if *token* is the collector's. Raises `UnauthorizedError`,
    `SuspendedError`."""
    given = credential(authorization)
    if given is not None and given != token:
        if given.startswith(PREFIXES):
            return _viewer_by_token(people, given)
        if is_app_jwt(given):
            raise UnauthorizedError("Bad credentials")
    if token is not None:
        if given is None:
            raise UnauthorizedError("Requires authentication")
        if given != token:
            raise UnauthorizedError("Bad credentials")
    return Viewer(people, administers_hooks=administers_hooks)


def authenticate_app(people: People, authorization: str | None) -> Viewer:
    """The App itself, if it signed this `Authorization`. Raises `UnauthorizedError`."""
    app = people.app
    if app is None:
        raise UnauthorizedError("Integration not found")
    given, issuers = credential(authorization) or "", (str(app.id), app.client_id)
    try:
        check_app_jwt(given, app.public_key, issuers, people.tokens.clock())
    except InvalidAppJWTError as reason:
        raise UnauthorizedError(str(reason)) from reason
    return Viewer(people)


def _viewer_by_token(people: People, given: str) -> Viewer:
    token = people.tokens.find(given)
    if isinstance(token, UserToken):
        return Viewer(people, people.users[token.user_id])
    installation = None if token is None else people.installations.get(token.installation_id)
    if token is None or installation is None:
        raise UnauthorizedError("Bad credentials")
    if installation.suspended_at is not None:
        raise SuspendedError("This installation has been suspended")
    return Viewer(people, token=token)
