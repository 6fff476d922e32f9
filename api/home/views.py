"""GET /: the page (`api.dashboard`); where it is not built, sign in, see who one is, sign out."""

import secrets
from http import HTTPStatus
from urllib.parse import urlsplit

from flask import Blueprint, Response, render_template, url_for

from api.current import current_settings
from api.dashboard import views as dashboard
from api.endpoints import endpoint

blueprint = Blueprint("home", __name__, template_folder="templates")

NONCE_BYTES = 16


@blueprint.get("/")
@endpoint(
    "The way to the page for people.",
    tag="installation",
    answer={"type": "string"},
    media_type="text/html",
    other_status=HTTPStatus.SEE_OTHER,
    has_freshness=False,
)
def get_home() -> Response:
    """Where that is not built: a page to sign in and out, which holds nothing of anyone; a script
    asks `/me` who looks at it."""
    if dashboard.is_built():
        return Response(
            status=HTTPStatus.SEE_OTHER,
            headers={"Location": url_for("dashboard.get_page") + "/"},
            mimetype="text/html",
        )
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
