"""GET /: sign in, see who one is and where the numbers are, sign out."""

import secrets
from urllib.parse import urlsplit

from flask import Blueprint, Response, render_template

from api.current import current_settings
from api.endpoints import endpoint

blueprint = Blueprint("home", __name__, template_folder="templates")

NONCE_BYTES = 16


@blueprint.get("/")
@endpoint(
    "A page for people: sign in with GitHub, sign out, and links to the answers.",
    tag="installation",
    answer={"type": "string"},
    media_type="text/html",
    has_freshness=False,
)
def get_home() -> Response:
    """It holds nothing of anyone: a script asks `/me` who looks at it."""
    nonce = secrets.token_urlsafe(NONCE_BYTES)
    github = urlsplit(current_settings().github_url)
    page = Response(render_template("home.html", nonce=nonce), mimetype="text/html")
    # Browsers hold a form to this policy on its way on, too: signing in leads to GitHub.
    page.headers["Content-Security-Policy"] = (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; "
        "connect-src 'self'; base-uri 'none'; frame-ancestors 'none'; "
        f"form-action 'self' {github.scheme}://{github.netloc}"
    )
    return page
