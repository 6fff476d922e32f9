"""By which credential GitHub is asked: those of an installation, and which reads what."""

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeVar

from actionsight.github.client import GitHubClient
from actionsight.github.credentials import Credential
from actionsight.github.errors import (
    BadCredentialError,
    ForbiddenError,
    GitHubError,
    MissingError,
)
from actionsight.github.installation import Installation
from actionsight.github.pagination import Payload, get_object, iter_items
from actionsight.github.rate_limit.limiter import RateLimiter, connect
from actionsight.github.rate_limit.models import Limits, Priority, RateLimitState
from actionsight.github.retries import RetryPolicy
from actionsight.github.token_cache import TokenCache
from actionsight.github.transport import Transport
from actionsight.settings import Settings

if TYPE_CHECKING:
    from actionsight.github.app import App

# How long it counts where the App is installed, and on what.
CACHE_SECONDS = 300
# Another credential may be allowed what this one is not.
_NOT_FOR_THIS_ONE = (ForbiddenError, MissingError, BadCredentialError)

T = TypeVar("T")


class CredentialRouter:
    """The credentials that may ask GitHub; thread-safe.

    A repository is asked for by the installation that was given it, else by the token, else (it
    may be public, or have been renamed) by its owner's installation or by any.

    Attributes:
        transport: the connections to GitHub's API.
        app: the GitHub App, if there is one.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        retry_policy: RetryPolicy | None = None,
        limits: Limits | None = None,
    ) -> None:
        """By the settings' credentials, within their limits or within others, for tests."""
        self._api_url = settings.github_api_url
        self._retry_policy = retry_policy or RetryPolicy()
        self._limits = limits or Limits(
            points_per_minute=settings.github_requests_per_minute,
            process_count=settings.collection_shards,
        )
        self.transport = Transport(settings.github_api_url, settings.ca_file)
        self._server = connect(settings.cache_url) if settings.cache_url else None
        self.app: App | None = None
        if settings.github_app_id and settings.github_app_private_key:
            # Only who has an App pays for importing what signs.
            from actionsight.github import app

            self.app = app.App(
                self.transport,
                settings.github_app_id,
                settings.github_app_private_key,
                self._retry_policy,
            )
        self._token_cache = TokenCache(
            self._server,
            settings.secret_key,
            f"{settings.github_api_url} {settings.github_app_id}",
        )
        self._token: Credential | None = None
        if settings.github_token or self.app is None:
            name = "token" if settings.github_token else "no credential"
            limiter = self._rate_limiter(name, settings.github_token or "")
            self._token = Credential(name, settings.github_token, limiter)
        self._lock = threading.Lock()
        self._installations: dict[int, Installation] = {}
        self._by_owner: Mapping[str, Installation] = {}
        self._cached_until = float("-inf")
        self._selected_lock = threading.Lock()
        self._selected: dict[int, tuple[float, frozenset[str]]] = {}

    def client(self, full_name: str, priority: Priority) -> GitHubClient:
        """For requests about one repository, by the credential that reads it."""
        return GitHubClient(
            self.transport, lambda: self._credential(full_name), priority, self._retry_policy
        )

    def client_for(self, credential: Credential, priority: Priority) -> GitHubClient:
        """By a certain credential."""
        return GitHubClient(self.transport, lambda: credential, priority, self._retry_policy)

    def repositories_of(self, owner: str, priority: Priority) -> Iterator[Payload]:
        """The repositories of an owner, as far as a credential reads them.

        Raises:
            GitHubError: they cannot be listed.
        """
        installation = self.installations().get(owner.lower())
        if installation is not None:
            client = self.client_for(installation, priority)
            yield from iter_items(client, "/installation/repositories", "repositories")
            return
        credential = self._credential(f"{owner}/")
        client = self.client_for(credential, priority)
        if get_object(client, f"/users/{owner}").get("type") == "Organization":
            yield from iter_items(client, f"/orgs/{owner}/repos", type="all")
        elif credential is self._token and _login(client, credential) == owner.lower():
            yield from iter_items(client, "/user/repos", affiliation="owner")
        else:
            yield from iter_items(client, f"/users/{owner}/repos", type="owner")

    def installations(self) -> Mapping[str, Installation]:
        """The App's installations that are not suspended, by their owner's name in lower case.

        Raises:
            GitHubError: the App cannot ask.
        """
        if self.app is None:
            return {}
        with self._lock:
            if self._retry_policy.now() >= self._cached_until:
                found = [each for each in self.app.installations() if not each.get("suspended_at")]
                self._by_owner = {
                    str(each["account"]["login"]).lower(): self._installation(self.app, each)
                    for each in found
                }
                self._cached_until = self._retry_policy.now() + CACHE_SECONDS
            return self._by_owner

    def token(self) -> Credential | None:
        """The personal access token, or nobody where nothing else is set."""
        return self._token

    def rate_limits(self) -> list[RateLimitState]:
        """What is left of each credential that was used."""
        credentials = [*filter(None, [self._token]), *self._installations.copy().values()]
        limiters = filter(None, [credential.rate_limiter for credential in credentials])
        states = [limiter.state() for limiter in limiters]
        return [state for state in states if state.request_count]

    def close(self) -> None:
        """Close its connections."""
        self.transport.close()
        if self._server is not None:
            self._server.close()

    def candidates(self, full_name: str) -> list[Credential]:
        """The credentials that may be allowed something in a repository, the likeliest first.

        Raises:
            GitHubError: the App cannot ask.
        """
        installations = self.installations()
        owners = installations.get(full_name.partition("/")[0].lower())
        found: list[Credential] = [*filter(None, [owners, self._token])]
        if not found and installations:
            # It may be public: any installation reads it.
            found.append(min(installations.values(), key=lambda each: each.name))
        return found

    def ask(self, full_name: str, priority: Priority, question: Callable[[GitHubClient], T]) -> T:
        """Ask about a repository by one credential after the other, until one is allowed it.

        Raises:
            GitHubError: what the first of them was answered; RefusedError: there is none.
        """
        refusal: GitHubError | None = None
        for credential in self.candidates(full_name):
            try:
                return question(self.client_for(credential, priority))
            except _NOT_FOR_THIS_ONE as error:
                refusal = refusal or error
        raise refusal or MissingError(
            "The GitHub App is installed on no account", HTTPStatus.NOT_FOUND
        )

    def _credential(self, full_name: str) -> Credential:
        match self.candidates(full_name):
            case [Installation() as owners, token] if not self._is_selected(owners, full_name):
                return token
            case [first, *_]:
                return first
        raise ForbiddenError(
            "The GitHub App is not installed anywhere: install it on the accounts whose "
            "repositories are monitored",
            403,
        )

    def _is_selected(self, installation: Installation, full_name: str) -> bool:
        if installation.payload.get("repository_selection") != "selected":
            return True
        number = int(installation.payload["id"])
        with self._selected_lock:
            until, names = self._selected.get(number, (float("-inf"), frozenset()))
            if self._retry_policy.now() >= until:
                client = self.client_for(installation, Priority.HEAD)
                listed = iter_items(client, "/installation/repositories", "repositories")
                names = frozenset(str(each.get("full_name")).lower() for each in listed)
                self._selected[number] = (self._retry_policy.now() + CACHE_SECONDS, names)
        return full_name.lower() in names

    def _installation(self, app: "App", payload: Payload) -> Installation:
        number = int(payload["id"])
        known = self._installations.get(number)
        if known is None:
            name = f"installation {number} ({payload['account']['login']})"
            limiter = self._rate_limiter(name, f"installation {number}")
            known = Installation(
                name, limiter, app, payload, self._token_cache, self._retry_policy.now
            )
            self._installations[number] = known
        known.payload = payload
        return known

    def _rate_limiter(self, name: str, identity: str) -> RateLimiter:
        key = hashlib.sha256(f"{self._api_url} {identity}".encode()).hexdigest()[:16]
        return RateLimiter(
            name, key, self._server, limits=self._limits, clock=self._retry_policy.clock
        )


def _login(client: GitHubClient, credential: Credential) -> str | None:
    """Whose token it is; None: nobody's in particular."""
    if credential.token() is None:
        return None
    try:
        return str(get_object(client, "/user").get("login")).lower()
    except (MissingError, ForbiddenError):
        return None
