"""What GitHub is asked about a person's tokens: whose they are, new ones for old, and their end.

Nothing here is logged beyond a status: tokens stand in requests and in answers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import requests
from requests.auth import AuthBase, HTTPBasicAuth

from actionsight.settings import Settings
from api.outgoing import send

USER_AGENT = "actionsight"
_API_HEADERS = {
    "Accept": "application/vnd.github+json",
    "User-Agent": USER_AGENT,
    "X-GitHub-Api-Version": "2022-11-28",
}
# The answer of a client that is not known, or whose secret is wrong.
CLIENT_ERRORS = frozenset({"incorrect_client_credentials", "redirect_uri_mismatch"})


class GitHubAwayError(Exception):
    """GitHub does not answer, or not as it should; it may do so in a moment."""


class TokenRefusedError(Exception):
    """GitHub does not know the token: used, expired or revoked."""


class ClientRefusedError(Exception):
    """GitHub does not know this installation by its client id and secret."""


@dataclass(frozen=True)
class Tokens:
    """A pair of tokens and how long they live; the last three are None for an App whose tokens do
    not expire."""

    access_token: str = field(repr=False)
    access_seconds: int | None = None
    refresh_token: str | None = field(default=None, repr=False)
    refresh_seconds: int | None = None

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> "Tokens":
        """Read GitHub's answer.

        Raises:
            GitHubAwayError: it holds no token.
        """
        access_token = answer.get("access_token")
        if not isinstance(access_token, str) or not access_token:
            raise GitHubAwayError("GitHub's answer holds no token")
        refresh_token = answer.get("refresh_token")
        return cls(
            access_token,
            _seconds(answer.get("expires_in")),
            refresh_token if isinstance(refresh_token, str) and refresh_token else None,
            _seconds(answer.get("refresh_token_expires_in")),
        )


@dataclass(frozen=True)
class Person:
    """A GitHub account; only the id lasts."""

    user_id: int
    login: str
    name: str | None
    avatar_url: str | None


class BearerAuth(AuthBase):
    """A person's token. An auth object also keeps requests from reading ~/.netrc."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def read_person(settings: Settings, access_token: str) -> Person:
    """Whose token it is.

    Raises:
        TokenRefusedError, GitHubAwayError.
    """
    response = _send(
        settings,
        "GET",
        f"{settings.github_api_url}/user",
        headers=_API_HEADERS,
        auth=BearerAuth(access_token),
    )
    if response.status_code == HTTPStatus.UNAUTHORIZED:
        raise TokenRefusedError
    body = read_object(response)
    user_id, login = body.get("id"), body.get("login")
    if not isinstance(user_id, int) or not isinstance(login, str):
        raise GitHubAwayError("GitHub's answer names nobody")
    return Person(user_id, login, _text(body.get("name")), _text(body.get("avatar_url")))


def refresh(settings: Settings, refresh_token: str) -> Tokens:
    """A new pair of tokens; the old pair ends.

    Raises:
        TokenRefusedError, ClientRefusedError, GitHubAwayError.
    """
    response = _send(
        settings,
        "POST",
        f"{settings.github_url}/login/oauth/access_token",
        headers={"Accept": "application/json", "User-Agent": USER_AGENT},
        auth=_client(settings),
        data={
            "client_id": settings.github_client_id,
            "client_secret": settings.github_client_secret,
            "grant_type": "refresh_token",
            "refresh_token": refresh_token,
        },
    )
    # GitHub's refusals are a 200, too.
    body = read_object(response)
    if error := body.get("error"):
        raise ClientRefusedError if error in CLIENT_ERRORS else TokenRefusedError
    return Tokens.of(body)


def revoke(settings: Settings, access_token: str) -> None:
    """End a token, and the refresh token that came with it.

    Raises:
        TokenRefusedError: it had ended before.
        ClientRefusedError, GitHubAwayError.
    """
    client_id = quote(settings.github_client_id or "", safe="")
    response = _send(
        settings,
        "DELETE",
        f"{settings.github_api_url}/applications/{client_id}/token",
        headers=_API_HEADERS,
        auth=_client(settings),
        json={"access_token": access_token},
    )
    if response.status_code in (HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY):
        raise TokenRefusedError
    if response.status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise ClientRefusedError
    if response.status_code != HTTPStatus.NO_CONTENT:
        raise GitHubAwayError(f"GitHub answered {response.status_code}")


def _client(settings: Settings) -> HTTPBasicAuth:
    return HTTPBasicAuth(settings.github_client_id or "", settings.github_client_secret or "")


def _send(settings: Settings, method: str, url: str, **options: Any) -> requests.Response:
    try:
        return send(method, url, ca_file=settings.ca_file, **options)
    except requests.RequestException as error:
        # Its text may quote what was sent; its kind is enough.
        raise GitHubAwayError(type(error).__name__) from None


def read_object(response: requests.Response) -> dict[str, Any]:
    """The JSON object of a success.

    Raises:
        GitHubAwayError: it is no success, or no object.
    """
    if response.status_code != HTTPStatus.OK:
        raise GitHubAwayError(f"GitHub answered {response.status_code}")
    try:
        body = response.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise GitHubAwayError("GitHub's answer cannot be read")
    return body


def _seconds(value: Any) -> int | None:
    return int(value) if isinstance(value, int | str) and str(value).isdigit() else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
