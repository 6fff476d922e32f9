"""Who there is, what each may do, and where the one App is installed.

people = world.people
ada = people.add_user("ada", {"octo/app": "maintain"})
people.register_app("Iv1.client", "client secret", ["http://127.0.0.1:8000/auth/callback"])
installation = people.install("octo", ["octo/app"])
token = people.issue_token(ada).access_token

A user's token reaches what is public, and what both the user and an installation reach that is not
suspended. What happens to installations and authorizations is noted in `changes`, for webhooks.
"""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from threading import RLock
from typing import Literal

from github_standin.world.model import Account, Repository, account
from github_standin.world.tokens import InstallationToken, Tokens, UserToken

Role = Literal["none", "read", "triage", "write", "maintain", "admin"]

ROLES: tuple[Role, ...] = ("none", "read", "triage", "write", "maintain", "admin")
"""Each may do what the ones before it may."""

APP_ID = 1_000_001

PERMISSIONS: Mapping[str, str] = {"metadata": "read", "actions": "read"}

AppEventName = Literal["installation", "installation_repositories", "github_app_authorization"]


@dataclass
class User:
    """A person; `roles` by the repository's id."""

    account: Account
    name: str | None = None
    roles: dict[int, Role] = field(default_factory=dict)


@dataclass(frozen=True)
class App:
    """The one App. Its addresses to return to must match exactly."""

    client_id: str
    client_secret: str = field(repr=False)
    redirect_uris: tuple[str, ...]
    id: int = APP_ID
    slug: str = "actions-app"
    public_key: str | None = None
    """PEM: what the App signs is checked with it; None: it signs nothing."""
    webhook_url: str | None = None
    """Where its own webhook sends; None: it has none."""
    is_public: bool = False
    """Whether anybody may install it, and look at it."""


@dataclass
class Installation:
    """The App on an account: on the repositories with these ids; None: on all of the account."""

    id: int
    account: Account
    repository_ids: set[int] | None
    permissions: dict[str, str]
    created_at: datetime
    updated_at: datetime
    suspended_at: datetime | None = None
    suspended_by: Account | None = None

    def is_suspended_at(self, moment: datetime) -> bool:
        """Whether the App reached nothing at *moment*, as far as is still known."""
        return self.suspended_at is not None and self.suspended_at <= moment

    def grants(self, permission: str, access: str) -> bool:
        """Whether the App was granted *permission* ("read" or "write") here."""
        granted = self.permissions.get(permission)
        return granted == access or granted == "write"

    def covers(self, repository: Repository) -> bool:
        """Whether the repository is among the chosen ones, suspended or not."""
        if repository.owner.id != self.account.id:
            return False
        return self.repository_ids is None or repository.id in self.repository_ids


@dataclass(frozen=True)
class AppChange:
    """What happened to an installation, as it was then, with the repositories concerned; or,
    without one, to the authorization of *sender*. *number* counts a world's changes of this
    kind."""

    number: int
    moment: datetime
    event: AppEventName
    action: str
    sender: Account
    installation: Installation | None = None
    repositories: tuple[Repository, ...] = ()


class People:
    """The people of a world, its App and the App's installations.

    They share the world's *lock*, its *repositories* by id, and what it holds for *now*.
    """

    def __init__(
        self,
        repositories: Mapping[int, Repository],
        now: Callable[[], datetime],
        lock: RLock,
        tokens: Tokens,
    ) -> None:
        self._repositories = repositories
        self._now = now
        self._lock = lock
        self.tokens = tokens
        self.users: dict[int, User] = {}
        self.app: App | None = None
        self.installations: dict[int, Installation] = {}
        self.changes: list[AppChange] = []
        self._installation_ids = itertools.count(60_000_001)

    # people

    def add_user(
        self,
        login: str,
        roles: Mapping[str, Role] | None = None,
        *,
        user_id: int | None = None,
        name: str | None = None,
    ) -> User:
        """Add a person; *roles* by the repository's name. The id follows from the login."""
        with self._lock:
            of = account(login) if user_id is None else Account(user_id, login)
            user = self.users[of.id] = User(of, name)
            for full_name, role in (roles or {}).items():
                self.set_role(user, full_name, role)
            return user

    def set_role(self, user: User, repository: Repository | str, role: Role) -> None:
        """Give *user* a role; GitHub tells no App of it."""
        with self._lock:
            user.roles[self._repository(repository).id] = role

    def user_named(self, login: str) -> User | None:
        """The person with this login, in any case of letters."""
        found = (u for u in self.users.values() if u.account.login.lower() == login.lower())
        return next(found, None)

    def role(self, user: User, repository: Repository) -> Role:
        """What *user* was given there; owners are admins. Says nothing of what is public."""
        if repository.owner.id == user.account.id:
            return "admin"
        return user.roles.get(repository.id, "none")

    # the App

    def register_app(
        self,
        client_id: str,
        client_secret: str,
        redirect_uris: Sequence[str],
        *,
        slug: str = "actions-app",
        public_key: str | None = None,
    ) -> App:
        """Make the one App: people can sign in to it, and it can ask in its own name."""
        with self._lock:
            redirects = tuple(redirect_uris)
            app = App(client_id, client_secret, redirects, slug=slug, public_key=public_key)
            self.app = app
            return app

    def issue_token(self, user: User) -> UserToken:
        """A pair of tokens, without the pages."""
        with self._lock:
            return self.tokens.issue_to_user(user.account.id)

    def expire_tokens(self, user: User) -> None:
        """Let the user's access tokens expire now; they can still be refreshed."""
        with self._lock:
            self.tokens.expire_of_user(user.account.id)

    def revoke_authorization(self, user: User) -> None:
        """As the user does in their settings: every token ends, and the App is told."""
        with self._lock:
            self.tokens.revoke_of_user(user.account.id)
            self._note("github_app_authorization", "revoked", user.account)

    def revoke_token(self, token: str) -> None:
        """End this access token, with its refresh token."""
        with self._lock:
            self.tokens.revoke(token)

    # installations

    def issue_installation_token(self, installation: Installation) -> InstallationToken:
        """A token for all that the installation reaches."""
        with self._lock:
            granted = dict(installation.permissions)
            return self.tokens.issue_to_installation(installation.id, granted)

    def expire_installation_tokens(self, installation: Installation) -> None:
        """Let the installation's tokens expire now."""
        with self._lock:
            self.tokens.expire_of_installation(installation.id)

    def install(
        self,
        owner: Account | str,
        repositories: Iterable[Repository | str] | None = None,
        *,
        permissions: Mapping[str, str] = PERMISSIONS,
    ) -> Installation:
        """Install the App on an account, on *repositories*; None: on all that are the account's."""
        with self._lock:
            on = None if repositories is None else {self._repository(r).id for r in repositories}
            of = self._owner(owner) if isinstance(owner, str) else owner
            now = self._now()
            number = next(self._installation_ids)
            made = Installation(number, of, on, dict(permissions), now, now)
            self.installations[number] = made
            self._note("installation", "created", _MANAGER, made, self.repositories_of(made))
            return made

    def suspend(self, installation: Installation) -> None:
        """Take from the App all that the installation reached."""
        with self._lock:
            installation.suspended_at = installation.updated_at = self._now()
            installation.suspended_by = _MANAGER
            self._note("installation", "suspend", _MANAGER, installation)

    def unsuspend(self, installation: Installation) -> None:
        """Give it back."""
        with self._lock:
            installation.updated_at = self._now()
            installation.suspended_at = installation.suspended_by = None
            self._note("installation", "unsuspend", _MANAGER, installation)

    def uninstall(self, installation: Installation) -> None:
        """End the installation."""
        with self._lock:
            concerned = self.repositories_of(installation)
            del self.installations[installation.id]
            self._note("installation", "deleted", _MANAGER, installation, concerned)

    def choose(self, installation: Installation, repository: Repository) -> None:
        """Add *repository* to the chosen ones of an installation that is not on all."""
        self._change(installation, repository, "added")

    def unchoose(self, installation: Installation, repository: Repository) -> None:
        """Take *repository* out; an installation on all is on the other ones from now on."""
        self._change(installation, repository, "removed")

    def repositories_of(self, installation: Installation) -> list[Repository]:
        """The repositories that the installation covers, by id."""
        covered = (r for r in self._repositories.values() if installation.covers(r))
        return sorted(covered, key=lambda repository: repository.id)

    def installation_on(self, repository: Repository) -> Installation | None:
        """The installation that covers *repository*, suspended or not."""
        found = (of for of in self.installations.values() if of.covers(repository))
        return next(found, None)

    def explicit_repositories(self, user: User, installation: Installation) -> list[Repository]:
        """What *user* was given a role in, of what *installation* covers."""
        covered = self.repositories_of(installation)
        return [repository for repository in covered if self.role(user, repository) != "none"]

    def _change(
        self,
        installation: Installation,
        repository: Repository,
        action: Literal["added", "removed"],
    ) -> None:
        with self._lock:
            before = {of.id for of in self.repositories_of(installation)}
            is_added = action == "added"
            installation.repository_ids = (
                before | {repository.id} if is_added else before - {repository.id}
            )
            installation.updated_at = self._now()
            self._note("installation_repositories", action, _MANAGER, installation, [repository])

    def _note(
        self,
        event: AppEventName,
        action: str,
        sender: Account,
        installation: Installation | None = None,
        repositories: Iterable[Repository] = (),
    ) -> None:
        as_it_is = None if installation is None else replace(installation)
        concerned = tuple(replace(repository) for repository in repositories)
        number, now = len(self.changes) + 1, self._now()
        self.changes.append(AppChange(number, now, event, action, sender, as_it_is, concerned))

    def _repository(self, of: Repository | str) -> Repository:
        if isinstance(of, Repository):
            return of
        for repository in self._repositories.values():
            if repository.full_name.lower() == of.lower():
                return repository
        raise KeyError(of)

    def _owner(self, login: str) -> Account:
        owners = (r.owner for r in self._repositories.values())
        return next(
            (owner for owner in owners if owner.login == login), account(login, "Organization")
        )


_MANAGER = account("octocat")
