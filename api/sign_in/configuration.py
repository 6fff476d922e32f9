"""What sign-in needs: an App at GitHub, and a key under which tokens are kept."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, cast

from flask import Flask, current_app

from actionsight.encryption import Cipher
from actionsight.settings import PREFIX, Settings
from api.auth.cookies import Cookies
from api.errors import Problem
from api.sign_in.oauth import GitHubOAuth

_EXTENSION = "sign_in"
_NEEDED = ("github_client_id", "github_client_secret", "secret_key")


@dataclass(frozen=True)
class SignIn:
    """The parts of an installation where people can sign in."""

    settings: Settings
    oauth: GitHubOAuth
    cipher: Cipher
    cookies: Cookies


def init_app(app: Flask, settings: Settings, oauth: GitHubOAuth) -> None:
    """Let people sign in to this application, as far as the settings allow it."""
    oauth.init_app(app)
    app.extensions[_EXTENSION] = None
    if settings.secret_key and not _missing(settings):
        app.extensions[_EXTENSION] = SignIn(
            settings, oauth, Cipher(settings.secret_key), Cookies.of(settings)
        )


def current_sign_in(settings: Settings) -> SignIn:
    """The sign-in of the application that answers now.

    Raises:
        Problem: 503, it is off; the settings that are missing are named.
    """
    extension: Any = current_app.extensions[_EXTENSION]
    if extension is None:
        raise Problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            f"Nobody can sign in here: {' and '.join(_missing(settings))} not set.",
        )
    return cast(SignIn, extension)


def is_sign_in_configured(settings: Settings) -> bool:
    """Whether people can sign in."""
    return not _missing(settings)


def _missing(settings: Settings) -> list[str]:
    return [PREFIX + name.upper() for name in _NEEDED if not getattr(settings, name)]
