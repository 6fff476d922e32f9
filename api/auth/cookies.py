"""Cookies of people who signed in, or are about to."""

from dataclasses import dataclass
from datetime import timedelta

from flask import Response

from actionsight.settings import Settings


@dataclass(frozen=True)
class Cookies:
    """The cookies of an installation.

    On https a browser takes them from this host alone, over TLS, for all of its paths (the prefix
    `__Host-`). Plain http, on loopback, has no such thing.

    Attributes:
        is_secure: whether people reach the installation by https.
    """

    is_secure: bool

    @classmethod
    def of(cls, settings: Settings) -> "Cookies":
        """The cookies that belong to the installation's public address."""
        return cls(settings.public_root.startswith("https://"))

    @property
    def session(self) -> str:
        """Name of the cookie whose value is the session; no script sees it."""
        return self._named("session")

    @property
    def csrf(self) -> str:
        """Name of the cookie whose value scripts send back in the header `X-CSRF-Token`."""
        return self._named("csrf")

    def sign_in(self, state_hash: bytes) -> str:
        """Name of the cookie that ties one sign-in under way to the browser that began it.

        Each has its own, so that tabs do not disturb each other.
        """
        return self._named(f"sign-in-{state_hash[:8].hex()}")

    def set(
        self, response: Response, name: str, value: str, lasts: timedelta, *, scripts: bool = False
    ) -> None:
        """Give the browser a cookie.

        Args:
            scripts: whether scripts of the page may read it.
        """
        response.set_cookie(
            name,
            value,
            max_age=lasts,
            path="/",
            secure=self.is_secure,
            httponly=not scripts,
            samesite="Lax",
        )

    def clear(self, response: Response, name: str) -> None:
        """Take a cookie away from the browser."""
        response.delete_cookie(name, path="/", secure=self.is_secure, httponly=True, samesite="Lax")

    def _named(self, name: str) -> str:
        return f"__Host-{name}" if self.is_secure else name
