"""GET /docs, and the two files that it needs."""

import secrets
from importlib.util import find_spec
from pathlib import Path

from flask import Blueprint, Response, render_template

from api.endpoints import endpoint

blueprint = Blueprint("docs", __name__, template_folder="templates")

NONCE_BYTES = 16
_KEPT_SECONDS = 86_400


@blueprint.get("/docs")
@endpoint(
    "This documentation, for people.",
    tag="installation",
    answer={"type": "string"},
    media_type="text/html",
    has_freshness=False,
)
def get_docs() -> Response:
    """It asks nothing of other hosts. What is tried here is asked with one's own session."""
    nonce = secrets.token_urlsafe(NONCE_BYTES)
    page = Response(render_template("docs.html", nonce=nonce), mimetype="text/html")
    # Swagger UI writes styles into its elements, and has pictures in its style sheet.
    page.headers["Content-Security-Policy"] = (
        f"default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
    return page


@blueprint.get("/docs/swagger-ui.js")
@endpoint(
    "The script of the documentation.",
    tag="installation",
    answer={"type": "string"},
    media_type="text/javascript",
    has_freshness=False,
)
def get_docs_script() -> Response:
    """Of Swagger UI."""
    return _file("swagger-ui-bundle.js", "text/javascript")


@blueprint.get("/docs/swagger-ui.css")
@endpoint(
    "The style of the documentation.",
    tag="installation",
    answer={"type": "string"},
    media_type="text/css",
    has_freshness=False,
)
def get_docs_style() -> Response:
    """Of Swagger UI."""
    return _file("swagger-ui.css", "text/css")


def _file(name: str, media_type: str) -> Response:
    # Found without importing the package, which is an application of its own.
    spec = find_spec("swagger_ui")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("swagger-ui-py is not installed: make setup")
    file = Response((Path(spec.origin).parent / "static" / name).read_bytes(), mimetype=media_type)
    file.headers["Cache-Control"] = f"public, max-age={_KEPT_SECONDS}"
    return file
