"""GitHub as the collector reaches it: as the App's installation on the owner, else by the token."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, NamedTuple, TypeVar, cast

import jwt
from flask import Flask, current_app

from actionsight.settings import Settings
from api.auth.github_tokens import GitHubAwayError, TokenRefusedError
from api.github import GitHub, RefusedError, owner_of

_EXTENSION = "collector"
# How long it is believed where the App is installed.
BELIEVED_SECONDS = 300
# An installation's token lives an hour at most: no request may outlive it.
LONGEST_LIFE_SECONDS = 3600
RENEWED_BEFORE_SECONDS = 300
# GitHub takes ten minutes, and refuses what was signed after its own now.
ASSERTION_SECONDS = 540
SKEW_SECONDS = 60
# Another credential may be allowed what this one is not.
_NOT_FOR_THIS_ONE = (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)

T = TypeVar("T")


class _Token(NamedTuple):
    value: str
    renew_at: float

    def __repr__(self) -> str:
        return f"_Token(renew_at={self.renew_at})"


class Collector:
    """What the collector's credentials reach; safe to share between threads.

    Every method raises:
        TokenRefusedError: GitHub refuses the credential itself.
        GitHubAwayError: GitHub does not answer, or not as it should.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._installations: Mapping[str, int] = {}
        self._believed_until = float("-inf")
        self._tokens: dict[int, _Token] = {}

    def ask(self, full_name: str, question: Callable[[GitHub], T]) -> T:
        """Ask GitHub about a repository, with what the collector would ask it.

        Raises:
            RefusedError: every credential is refused.
        """
        refusal: RefusedError | None = None
        for ask_as in self._credentials(full_name.partition("/")[0].lower()):
            try:
                return ask_as(question)
            except RefusedError as error:
                if error.status not in _NOT_FOR_THIS_ONE:
                    raise
                refusal = refusal or error
        raise refusal or RefusedError(
            HTTPStatus.NOT_FOUND, "the GitHub App is installed on no account"
        )

    def owners(self) -> frozenset[str]:
        """On whom the App is installed, in lower case; suspended ones are left out."""
        return frozenset(self._installed())

    def delivers(self, full_name: str, url: str, events: frozenset[str]) -> bool:
        """Whether the App itself tells of a repository's events at that address."""
        if not self._settings.github_app_id:
            return False
        try:
            app = self._as_app()
            installation = app.get(f"/repos/{full_name}/installation")
            hook = app.get("/app/hook/config")
        except RefusedError:
            return False
        if not isinstance(installation, Mapping) or not isinstance(hook, Mapping):
            raise GitHubAwayError("GitHub's answer cannot be read")
        told = installation.get("events")
        return (
            hook.get("url") == url
            and installation.get("suspended_at") is None
            and isinstance(told, list)
            and events <= set(map(str, told))
        )

    def _credentials(self, owner: str) -> Iterator[Callable[[Callable[[GitHub], T]], T]]:
        installations, token = self._installed(), self._settings.github_token
        if (number := installations.get(owner)) is not None:
            yield lambda question: self._ask_as_installation(number, question)
        if token is not None or self._settings.github_app_id is None:
            yield lambda question: question(self._with(token))
        elif number is None and installations:
            # It may be public: any installation reads it.
            any_number = installations[min(installations)]
            yield lambda question: self._ask_as_installation(any_number, question)

    def _installed(self) -> Mapping[str, int]:
        """The App's installations that are not suspended, by their owner's name in lower case."""
        if self._settings.github_app_id is None:
            return {}
        with self._lock:
            if time.monotonic() >= self._believed_until:
                pages = self._as_app().pages("/app/installations")
                self._installations = {
                    owner: int(each["id"])
                    for page in pages
                    for each in _objects(page)
                    if (owner := owner_of(each)) and each.get("suspended_at") is None
                }
                self._believed_until = time.monotonic() + BELIEVED_SECONDS
            return self._installations

    def _ask_as_installation(self, number: int, question: Callable[[GitHub], T]) -> T:
        token = self._token_of(number)
        try:
            return question(self._with(token))
        except TokenRefusedError:
            # It was revoked: by a person, or because the installation was suspended meanwhile.
            self._tokens.pop(number, None)
            return question(self._with(self._token_of(number)))

    def _token_of(self, number: int) -> str:
        known = self._tokens.get(number)
        if known is None or known.renew_at <= time.monotonic():
            path = f"/app/installations/{number}/access_tokens"
            known = self._tokens[number] = _token(self._as_app().post(path, {}))
        return known.value

    def _as_app(self) -> GitHub:
        now = int(time.time())
        claims = {
            "iat": now - SKEW_SECONDS,
            "exp": now + ASSERTION_SECONDS,
            "iss": str(self._settings.github_app_id),
        }
        key = str(self._settings.github_app_private_key)
        return self._with(jwt.encode(claims, key, algorithm="RS256"))

    def _with(self, token: str | None) -> GitHub:
        return GitHub(self._settings, token)


def init_app(app: Flask, settings: Settings) -> None:
    """Give this application the collector's way to GitHub."""
    app.extensions[_EXTENSION] = Collector(settings)


def current_collector() -> Collector:
    """The collector of the application that answers now."""
    extension: Any = current_app.extensions[_EXTENSION]
    return cast(Collector, extension)


def _objects(page: Any) -> list[Mapping[str, Any]]:
    if not isinstance(page, list):
        raise GitHubAwayError("GitHub's answer cannot be read")
    return [each for each in page if isinstance(each, Mapping) and isinstance(each.get("id"), int)]


def _token(made: Any) -> _Token:
    try:
        value, ends = str(made["token"]), datetime.fromisoformat(made["expires_at"])
        lives_seconds = (ends - datetime.now(UTC)).total_seconds()
    except (KeyError, TypeError, ValueError):
        raise GitHubAwayError("GitHub's answer cannot be read") from None
    lives_seconds = min(lives_seconds, LONGEST_LIFE_SECONDS) - RENEWED_BEFORE_SECONDS
    return _Token(value, time.monotonic() + lives_seconds)
