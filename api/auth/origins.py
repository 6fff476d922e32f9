"""Where requests may come from: the API's own address, and the frontends of the settings."""

from http import HTTPStatus
from urllib.parse import urlsplit

from flask import Request

from actionsight.settings import Settings
from api.errors import Kind, Problem

_DEFAULT_PORTS = {"http": 80, "https": 443}


def origin_of(address: str) -> str:
    """The origin of an address as browsers write it: lower case, without a default port."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    if ":" in host:
        host = f"[{host}]"
    port = parts.port
    is_default = port is None or port == _DEFAULT_PORTS.get(parts.scheme)
    return f"{parts.scheme}://{host}" if is_default else f"{parts.scheme}://{host}:{port}"


def frontends(settings: Settings) -> tuple[str, ...]:
    """The origins of frontends, as browsers write them."""
    return tuple(origin_of(origin) for origin in settings.frontend_origins)


def check_origin(request: Request, settings: Settings) -> None:
    """Let through what a page of this API, or of a frontend of the settings, sends.

    Browsers name the origin of whatever may change something, and no page can forge it.

    Raises:
        Problem: 403, the origin is missing or another one.
    """
    own = origin_of(settings.public_root)
    if request.headers.get("Origin") not in (own, *frontends(settings)):
        raise Problem(
            HTTPStatus.FORBIDDEN,
            f"The header Origin must be {own}, or one of ACTIONSIGHT_FRONTEND_ORIGINS. In a "
            "browser, open this API under the first address.",
            kind=Kind.CSRF,
        )
