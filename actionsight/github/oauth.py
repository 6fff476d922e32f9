"""What GitHub is asked about people's tokens: whose they are, new ones for old, and their end.

Nothing here is logged beyond a status: tokens stand in requests and in responses.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode

import orjson
import urllib3

from actionsight.github.client import GitHubClient
from actionsight.github.credentials import Credential
from actionsight.github.errors import (
    BadCredentialError,
    ClientRefusedError,
    UnavailableError,
    UnexpectedResponseError,
)
from actionsight.github.pagination import get_object
from actionsight.github.payloads import parse_json
from actionsight.github.rate_limit.models import Priority
from actionsight.github.retries import INTERACTIVE
from actionsight.github.transport import HTTPResponse, TransientError, Transport
from actionsight.settings import Settings

# The answer of a client that is not known, or whose secret is wrong.
CLIENT_ERRORS = frozenset({"incorrect_client_credentials", "redirect_uri_mismatch"})


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
            UnexpectedResponseError: it holds no token.
        """
        access_token = answer.get("access_token")
        if not isinstance(access_token, str) or not access_token:
            raise UnexpectedResponseError("GitHub's answer holds no token")
        refresh_token = answer.get("refresh_token")
        return cls(
            access_token,
            _seconds(answer.get("expires_in")),
            refresh_token if isinstance(refresh_token, str) and refresh_token else None,
            _seconds(answer.get("refresh_token_expires_in")),
        )


@dataclass(frozen=True)
class GitHubAccount:
    """A GitHub account; only the id lasts."""

    user_id: int
    login: str
    name: str | None
    avatar_url: str | None


class UserCredential(Credential):
    """A person's token; what is asked with it counts against that person's own limit."""

    remedy = "The person's token has ended"
    needs = None


class OAuthClient:
    """GitHub as the App by which people sign in, and as those people; thread-safe.

    Attributes:
        pages: the connections to GitHub's pages, where tokens are given out.
    """

    def __init__(self, settings: Settings) -> None:
        self._id = settings.github_client_id or ""
        self._secret = settings.github_client_secret or ""
        self._api = Transport(settings.github_api_url, settings.ca_file)
        self.pages = Transport(settings.github_url, settings.ca_file)

    def client_of(self, access_token: str, *, deadline: float = math.inf) -> GitHubClient:
        """For requests in the name of the person whose token it is.

        Args:
            deadline: by `time.monotonic`, until when every response must be there.
        """
        credential = UserCredential("a person's token", access_token)
        return GitHubClient(
            self._api, lambda: credential, Priority.INTERACTIVE, INTERACTIVE, deadline=deadline
        )

    def read_account(self, access_token: str) -> GitHubAccount:
        """Whose token it is.

        Raises:
            GitHubError: it cannot be told; BadCredentialError: the token has ended.
        """
        body = get_object(self.client_of(access_token), "/user")
        user_id, login = body.get("id"), body.get("login")
        if not isinstance(user_id, int) or not isinstance(login, str):
            raise UnexpectedResponseError("GitHub's answer names nobody")
        return GitHubAccount(user_id, login, _text(body.get("name")), _text(body.get("avatar_url")))

    def refresh(self, refresh_token: str) -> Tokens:
        """A new pair of tokens; the old pair ends.

        It is asked for once: a refresh token serves once, and a fault does not tell whether it did.

        Raises:
            BadCredentialError: the token was used before, or has ended; ClientRefusedError.
            UnavailableError, UnexpectedResponseError: GitHub did not answer, or not as it should.
        """
        form = {
            "client_id": self._id,
            "client_secret": self._secret,
            "grant_type": "refresh_token",
            "refresh_token": refresh_token,
        }
        response = self._send(
            self.pages,
            "POST",
            "/login/oauth/access_token",
            {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"},
            urlencode(form).encode(),
        )
        # GitHub's refusals are a 200, too.
        body = read_object(response.status, response.body)
        if error := body.get("error"):
            raise ClientRefusedError if error in CLIENT_ERRORS else _ended()
        return Tokens.of(body)

    def revoke(self, access_token: str) -> None:
        """End a token, and the refresh token that came with it.

        Raises:
            BadCredentialError: it had ended before; ClientRefusedError.
            UnavailableError: GitHub did not answer, or not as it should.
        """
        response = self._send(
            self._api,
            "DELETE",
            f"/applications/{quote(self._id, safe='')}/token",
            {"Content-Type": "application/json"},
            orjson.dumps({"access_token": access_token}),
        )
        if response.status in (HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY):
            raise _ended()
        if response.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise ClientRefusedError
        if response.status != HTTPStatus.NO_CONTENT:
            raise UnavailableError(f"GitHub answered {response.status}")

    def close(self) -> None:
        """Close its connections."""
        self._api.close()
        self.pages.close()

    def _send(
        self,
        transport: Transport,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
    ) -> HTTPResponse:
        by_client = urllib3.make_headers(basic_auth=f"{self._id}:{self._secret}")
        try:
            return transport.send(
                method,
                transport.url(path),
                headers={**headers, **by_client},
                body=body,
                timeout=INTERACTIVE.timeout,
            )
        except TransientError as error:
            raise UnavailableError(f"GitHub gave {error}") from None


def read_object(status: int, body: bytes) -> dict[str, Any]:
    """The JSON object of a success.

    Raises:
        UnavailableError: it is no success; UnexpectedResponseError: it is no object.
    """
    if status != HTTPStatus.OK:
        raise UnavailableError(f"GitHub answered {status}")
    try:
        found = parse_json(body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise UnexpectedResponseError("GitHub's answer cannot be read")
    return found


def _ended() -> BadCredentialError:
    return BadCredentialError("GitHub does not know the token: used, expired or revoked")


def _seconds(value: Any) -> int | None:
    return int(value) if isinstance(value, int | str) and str(value).isdigit() else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
