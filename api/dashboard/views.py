"""GET /app/: the page as `make setup` built it (`dashboard/`), under a strict policy."""

import mimetypes
import sys
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

from flask import Blueprint, Response, request, send_from_directory

from api.current import current_settings
from api.endpoints import endpoint
from api.errors import Problem
from api.responses import GZIP

blueprint = Blueprint("dashboard", __name__)

_PAGE = "index.html"
# As `make setup` builds it beside a checkout, else as it comes with a released package.
_PLACES = (
    Path(sys.prefix) / "share" / "actionsight" / "dashboard",
    Path(__file__).parent / "bundle",
)
BUNDLE = next((place for place in _PLACES if (place / _PAGE).is_file()), _PLACES[0])
# Names of assets carry a hash of what they hold.
_IMMUTABLE = "public, max-age=31536000, immutable"
# Beside each asset the build leaves it compressed; the smaller one first.
_COMPRESSED = {"br": ".br", GZIP: ".gz"}
_NOT_BUILT = "The page is not built: `make setup` builds it, where npm's registry can be reached."


def is_built() -> bool:
    """Whether there is a page to show."""
    return (BUNDLE / _PAGE).is_file()


@blueprint.get("/app", strict_slashes=False)
@endpoint(
    "The page for people.",
    tag="installation",
    answer={"type": "string"},
    media_type="text/html",
    is_lenient=True,
    has_freshness=False,
    failures={HTTPStatus.SERVICE_UNAVAILABLE: _NOT_BUILT},
)
def get_page() -> Response:
    """It holds nothing of anyone, and asks this API who looks at it."""
    return _page()


@blueprint.get("/app/<path:view>")
@endpoint(
    "The page for people, at one of its views.",
    tag="installation",
    answer={"type": "string"},
    media_type="text/html",
    is_lenient=True,
    has_freshness=False,
    failures={HTTPStatus.SERVICE_UNAVAILABLE: _NOT_BUILT},
)
def get_page_at(view: str) -> Response:  # noqa: ARG001 its script reads the address
    """An address of GitHub's leads to the same here, with `/app` and this host before its path."""
    return _page()


@blueprint.get("/app/assets/<name>")
@endpoint(
    "A script or a style of the page.",
    tag="installation",
    answer={"type": "string"},
    media_type="text/javascript",
    is_lenient=True,
    has_freshness=False,
)
def get_page_asset(name: str) -> Response:
    """Its name carries a hash of what it holds, so it is kept for a year."""
    encoding, suffix = _best_encoding(name)
    file = send_from_directory(
        BUNDLE / "assets",
        name + suffix,
        mimetype=mimetypes.guess_type(name)[0],
        conditional=False,
        etag=False,
    )
    if encoding:
        file.headers["Content-Encoding"] = encoding
    file.vary.add("Accept-Encoding")
    file.headers["Cache-Control"] = _IMMUTABLE
    return file


def _best_encoding(name: str) -> tuple[str, str]:
    for encoding, suffix in _COMPRESSED.items():
        is_taken = request.accept_encodings.quality(encoding) > 0
        if is_taken and (BUNDLE / "assets" / (name + suffix)).is_file():
            return encoding, suffix
    return "", ""


def _page() -> Response:
    if not is_built():
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, _NOT_BUILT)
    page = Response((BUNDLE / _PAGE).read_bytes(), mimetype="text/html")
    page.headers["Content-Security-Policy"] = _policy()
    page.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    page.headers["Cache-Control"] = "no-cache"
    return page


def _policy() -> str:
    # Browsers hold a form to this policy on its way on, too: signing in leads to GitHub.
    github = urlsplit(current_settings().github_url)
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "font-src 'self'; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'; "
        f"form-action 'self' {github.scheme}://{github.netloc}; "
        "require-trusted-types-for 'script'; trusted-types svelte-trusted-html"
    )
