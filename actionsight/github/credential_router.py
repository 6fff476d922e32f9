"""All that may ask GitHub: the credentials of an installation, and who reads what with which."""

import hashlib
import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from actionsight.github.client import Asker, Patience
from actionsight.github.credentials import Credential, Installation
from actionsight.github.errors import ForbiddenError, MissingError
from actionsight.github.pagination import Payload, get_object, items, objects
from actionsight.github.rate_limit.limiter import Budget, BudgetState, Limits, connect
from actionsight.github.rate_limit.models import Priority
from actionsight.github.token_cache import TokenStore
from actionsight.github.transport import Transport
from actionsight.settings import Settings

if TYPE_CHECKING:
    from actionsight.github.app import App

# How long it is believed where the App is installed, and on what.
BELIEVED_SECONDS = 300


class Access:
    """Everything that may ask GitHub; thread-safe.

    A repository is asked for by the installation that was given it, else by the token, else (it
    may be public, or have been renamed) by its owner's installation or by any.

    Attributes:
        transport: the connections to GitHub's API.
        app: the GitHub App, if there is one.
    """

    def __init__(
        self,
        settings: Settings,
        patience: Patience,
        limits: Limits | None,
    ) -> None:
        self._api_url = settings.github_api_url
        self._patience = patience
        self._limits = limits or Limits(points_per_minute=settings.github_requests_per_minute)
        self.transport = Transport(settings.github_api_url, settings.ca_file)
        self._server = connect(settings.cache_url) if settings.cache_url else None
        self.app: App | None = None
        if settings.github_app_id and settings.github_app_private_key:
            # Its client, PyGithub, takes long to import.
            from actionsight.github import app

            self.app = app.App(
                settings.github_api_url,
                settings.github_app_id,
                settings.github_app_private_key,
                patience,
                settings.ca_file,
            )
        self._store = TokenStore(
            self._server,
            settings.secret_key,
            f"{settings.github_api_url} {settings.github_app_id}",
        )
        self._token: Credential | None = None
        if settings.github_token or self.app is None:
            name = "token" if settings.github_token else "no credential"
            self._token = Credential(
                self._budget(name, settings.github_token or ""), settings.github_token
            )
        self._lock = threading.Lock()
        self._installations: dict[int, Installation] = {}
        self._by_owner: Mapping[str, Installation] = {}
        self._believed_until = float("-inf")
        self._given_lock = threading.Lock()
        self._given: dict[int, tuple[float, frozenset[str]]] = {}

    def asker(self, full_name: str, priority: Priority) -> Asker:
        """For one loop over one repository, by the credential that reads it."""
        return Asker(self.transport, lambda: self._credential(full_name), priority, self._patience)

    def asker_of(self, credential: Credential, priority: Priority) -> Asker:
        """By a certain credential."""
        return Asker(self.transport, lambda: credential, priority, self._patience)

    def owned_by(self, owner: str, priority: Priority) -> Iterator[Payload]:
        """The repositories of an owner, as far as a credential reads them.

        Raises:
            GitHubError: they cannot be listed.
        """
        installation = self.installations().get(owner.lower())
        if installation is not None:
            asker = self.asker_of(installation, priority)
            yield from items(asker, "/installation/repositories", "repositories")
            return
        credential = self._credential(f"{owner}/")
        asker = self.asker_of(credential, priority)
        if get_object(asker, f"/users/{owner}").get("type") == "Organization":
            yield from objects(asker, f"/orgs/{owner}/repos", type="all")
        elif credential is self._token and _login(asker, credential) == owner.lower():
            yield from objects(asker, "/user/repos", affiliation="owner")
        else:
            yield from objects(asker, f"/users/{owner}/repos", type="owner")

    def installations(self) -> Mapping[str, Installation]:
        """The App's installations that are not suspended, by their owner's name in lower case.

        Raises:
            GitHubError: the App cannot ask.
        """
        if self.app is None:
            return {}
        with self._lock:
            if self._patience.now() >= self._believed_until:
                found = [each for each in self.app.installations() if not each.get("suspended_at")]
                self._by_owner = {
                    str(each["account"]["login"]).lower(): self._installation(self.app, each)
                    for each in found
                }
                self._believed_until = self._patience.now() + BELIEVED_SECONDS
            return self._by_owner

    def token(self) -> Credential | None:
        """The personal access token, or nobody where nothing else is set."""
        return self._token

    def budgets(self) -> list[BudgetState]:
        """What is left of each credential that was used."""
        credentials = [*filter(None, [self._token]), *self._installations.copy().values()]
        states = [credential.budget.state() for credential in credentials]
        return [state for state in states if state.request_count]

    def close(self) -> None:
        """Close its connections."""
        self.transport.close()
        if self.app is not None:
            self.app.close()
        if self._server is not None:
            self._server.close()

    def _credential(self, full_name: str) -> Credential:
        installations = self.installations()
        owners = installations.get(full_name.partition("/")[0].lower())
        if owners is not None and self._is_given(owners, full_name):
            return owners
        if self._token is not None:
            return self._token
        if owners is not None:
            return owners
        if not installations:
            raise ForbiddenError(
                "The GitHub App is not installed anywhere: install it on the accounts whose "
                "repositories are monitored"
            )
        return min(installations.values(), key=lambda each: each.name)

    def _is_given(self, installation: Installation, full_name: str) -> bool:
        if installation.payload.get("repository_selection") != "selected":
            return True
        number = int(installation.payload["id"])
        with self._given_lock:
            until, names = self._given.get(number, (float("-inf"), frozenset()))
            if self._patience.now() >= until:
                asker = self.asker_of(installation, Priority.HEAD)
                listed = items(asker, "/installation/repositories", "repositories")
                names = frozenset(str(each.get("full_name")).lower() for each in listed)
                self._given[number] = (self._patience.now() + BELIEVED_SECONDS, names)
        return full_name.lower() in names

    def _installation(self, app: "App", payload: Payload) -> Installation:
        number = int(payload["id"])
        known = self._installations.get(number)
        if known is None:
            name = f"installation {number} ({payload['account']['login']})"
            budget = self._budget(name, f"installation {number}")
            known = Installation(budget, app, payload, self._store, self._patience.now)
            self._installations[number] = known
        known.payload = payload
        return known

    def _budget(self, name: str, identity: str) -> Budget:
        key = hashlib.sha256(f"{self._api_url} {identity}".encode()).hexdigest()[:16]
        return Budget(name, key, self._server, limits=self._limits, clock=self._patience.clock)


def access(
    settings: Settings, *, patience: Patience | None = None, limits: Limits | None = None
) -> Access:
    """Access by the settings' credentials, within their limits or within others, for tests."""
    return Access(settings, patience or Patience(), limits)


def _login(asker: Asker, credential: Credential) -> str | None:
    """Whose token it is; None: nobody's in particular."""
    if credential.token() is None:
        return None
    try:
        return str(get_object(asker, "/user").get("login")).lower()
    except (MissingError, ForbiddenError):
        return None
