"""GitHub as the collector reaches it: as the App's installation on the owner, else by the token."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from flask import Flask, current_app

from actionsight.github.credential_router import CredentialRouter
from actionsight.github.errors import RefusedError
from actionsight.github.rate_limit.models import Priority
from actionsight.github.retries import INTERACTIVE
from actionsight.settings import Settings
from api.github import GitHub

_EXTENSION = "collector"

T = TypeVar("T")


class Collector:
    """What the collector's credentials reach, within its limits at GitHub, before what it asks
    itself; safe to share between threads. Every method raises GitHubError.
    """

    def __init__(self, settings: Settings) -> None:
        self._router = CredentialRouter(settings, retry_policy=INTERACTIVE)

    def ask(self, full_name: str, question: Callable[[GitHub], T]) -> T:
        """Ask GitHub about a repository, with what the collector would ask it.

        Raises:
            RefusedError: every credential is refused.
        """
        return self._router.ask(
            full_name, Priority.INTERACTIVE, lambda client: question(GitHub(client))
        )

    def owners(self) -> frozenset[str]:
        """On whom the App is installed, in lower case; suspended ones are left out."""
        return frozenset(self._router.installations())

    def delivers(self, full_name: str, url: str, events: frozenset[str]) -> bool:
        """Whether the App itself tells of a repository's events at that address."""
        app = self._router.app
        if app is None:
            return False
        try:
            installation = app.installation_of(full_name)
            hook = app.webhook()
        except RefusedError:
            return False
        delivered = installation.get("events")
        return (
            hook.get("url") == url
            and installation.get("suspended_at") is None
            and isinstance(delivered, list)
            and events <= set(map(str, delivered))
        )

    def close(self) -> None:
        """Close its connections."""
        self._router.close()


def init_app(app: Flask, settings: Settings) -> None:
    """Give this application the collector's way to GitHub."""
    app.extensions[_EXTENSION] = Collector(settings)


def current_collector() -> Collector:
    """The collector of the application that answers now."""
    extension: Any = current_app.extensions[_EXTENSION]
    return cast(Collector, extension)
