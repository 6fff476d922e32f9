"""What the API and the receiver of webhooks are: Flask, and the headers of each answer."""

from collections.abc import Callable
from typing import Any

from flask import Flask, Response

from api.current import current_settings

HEADERS = {
    "Cache-Control": "private, no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}

# For a year, of this host alone: its neighbours are not ours.
HTTPS_ONLY = "max-age=31536000"


class Application(Flask):
    """Flask, with hooks and views that are plain functions, all of them: for each of them it would
    look on every request whether it is a coroutine."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """The function as it is."""
        return func


def add_headers(response: Response) -> Response:
    """Add those that it does not have."""
    headers = response.headers
    given = {name.lower() for name, _ in headers}
    for name, value in HEADERS.items():
        if name.lower() not in given:
            headers.add(name, value)
    if current_settings().public_root.startswith("https://"):
        headers.setdefault("Strict-Transport-Security", HTTPS_ONLY)
    return response
