"""Signing in: the page where a person consents, codes for tokens, and the end of tokens.

The pages of github.com and `/applications/…` of the API, on one address here.
"""

import hmac
import re
from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit

from flask import Response, make_response, redirect, render_template_string, request

from github_standin.responses import (
    InvalidBodyError,
    NotFoundError,
    json_body,
    json_response,
    no_content,
)
from github_standin.rest.access import UnauthorizedError
from github_standin.rest.current import current_world
from github_standin.rest.routing import Routes
from github_standin.world.people import App
from github_standin.world.tokens import ACCESS_LIFETIME, REFRESH_LIFETIME, UserToken

_DOCUMENTATION = "https://docs.github.com/apps/oauth-apps/maintaining-oauth-apps"

_DESCRIPTIONS = {
    "bad_verification_code": "The code passed is incorrect or expired.",
    "incorrect_client_credentials": "The client_id and/or client_secret passed are incorrect.",
    "redirect_uri_mismatch": (
        "The redirect_uri MUST match the registered callback URL for this application."
    ),
    "bad_refresh_token": "The refresh token passed is incorrect or expired.",
    "unsupported_grant_type": "The grant type is not supported.",
    "access_denied": "The user has denied your application access.",
    "invalid_request": "PKCE needs a code_challenge made by code_challenge_method S256.",
}

_FRAME = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{title}</title>
<style>
  body {{ max-width: 32rem; margin: 3rem auto; padding: 0 1rem; font: 1rem/1.5 sans-serif }}
  button {{ display: block; width: 100%; margin: .5rem 0; padding: .6rem; font: inherit }}
</style>
<main>
<h1>{title}</h1>
{content}
</main>
</html>
"""

_PAGE = _FRAME.format(
    title="Sign in to GitHub's stand-in",
    content="""<p>{{ app.slug }} asks who you are. Nobody here is real: choose one.</p>
<form method="post" action="/login/oauth/authorize">
{% for name, value in kept.items() %}<input type="hidden" name="{{ name }}" value="{{ value }}">
{% endfor %}
{% for user in users %}<button name="login" value="{{ user.account.login }}">\
Sign in as {{ user.account.login }}{% if user.name %} ({{ user.name }}){% endif %}</button>
{% endfor %}
<button name="refuse" value="1">Refuse</button>
</form>""",
)
"""A template: *app*, *users*, and the fields *kept* from the request."""

_REFUSED_PAGE = _FRAME.format(
    title="Be careful!",
    content="<p>The <code>redirect_uri</code> is not associated with this application:"
    " <code>{{ target }}</code></p>",
)
"""A template: the address *target*, to which nobody is sent."""

_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")

routes = Routes("oauth", __name__)


@routes.route("/login/oauth/authorize", methods=["GET", "POST"])
def authorize() -> Response:
    """The page, which posts what was chosen to itself; `login` in the query chooses at once."""
    given = request.values
    app = current_world().people.app
    if app is None or given.get("client_id") != app.client_id:
        raise NotFoundError
    target = given.get("redirect_uri", app.redirect_uris[0] if app.redirect_uris else "")
    if target not in app.redirect_uris:
        return _page(render_template_string(_REFUSED_PAGE, target=target), 400)
    challenge = given.get("code_challenge")
    is_wrong = challenge is not None and not _CHALLENGE.fullmatch(challenge)
    if is_wrong or (challenge and given.get("code_challenge_method") != "S256"):
        return _redirect_back(target, _error_body("invalid_request"))
    if request.method == "POST" and "refuse" in given:
        return _redirect_back(target, _error_body("access_denied"))
    user = current_world().people.user_named(given.get("login", ""))
    if user is None:
        names = (
            "client_id",
            "redirect_uri",
            "state",
            "code_challenge",
            "code_challenge_method",
        )
        kept = {name: given[name] for name in names if name in given}
        users = list(current_world().people.users.values())
        return _page(render_template_string(_PAGE, app=app, kept=kept, users=users))
    code = current_world().people.tokens.new_code(user.account.id, target, challenge)
    return _redirect_back(target, {"code": code})


@routes.post("/login/oauth/access_token")
def create_token() -> Response:
    """A pair of tokens for a code or a refresh token; errors are a 200, as at GitHub."""
    given = _fields()
    if not _is_client(given.get("client_id"), given.get("client_secret")):
        return _token_response(_error_body("incorrect_client_credentials"))
    grant = given.get("grant_type", "authorization_code")
    if grant == "refresh_token":
        token = current_world().people.tokens.refresh(given.get("refresh_token", ""))
        return _token_response(
            _error_body("bad_refresh_token") if token is None else _token_body(token)
        )
    if grant != "authorization_code":
        return _token_response(_error_body("unsupported_grant_type"))
    code = current_world().people.tokens.take_code(given.get("code", ""))
    if code is None or not code.is_answered_by(given.get("code_verifier")):
        return _token_response(_error_body("bad_verification_code"))
    if given.get("redirect_uri", code.redirect_uri) != code.redirect_uri:
        return _token_response(_error_body("redirect_uri_mismatch"))
    return _token_response(_token_body(current_world().people.tokens.issue_to_user(code.user_id)))


@routes.delete("/applications/<client_id>/token")
def revoke_token(client_id: str) -> Response:
    """End one token."""
    token, _ = _own_token(client_id)
    current_world().people.tokens.revoke(token)
    return no_content()


@routes.delete("/applications/<client_id>/grant")
def revoke_grant(client_id: str) -> Response:
    """End every token of the token's user."""
    _, user_id = _own_token(client_id)
    current_world().people.tokens.revoke_of_user(user_id)
    return no_content()


def _own_token(client_id: str) -> tuple[str, int]:
    basic = request.authorization
    if basic is None or not _is_client(basic.username, basic.password):
        raise UnauthorizedError("Bad credentials")
    if client_id != basic.username:
        raise NotFoundError
    token = json_body().get("access_token")
    if not isinstance(token, str):
        raise InvalidBodyError("access_token is missing")
    found = current_world().people.tokens.find(token)
    if not isinstance(found, UserToken):
        raise NotFoundError
    return token, found.user_id


def _is_client(client_id: str | None, client_secret: str | None) -> bool:
    app: App | None = current_world().people.app
    return (
        app is not None
        and client_id == app.client_id
        and hmac.compare_digest((client_secret or "").encode(), app.client_secret.encode())
    )


def _redirect_back(target: str, result: Mapping[str, str]) -> Response:
    """Send the person back to the App with the *result*, and with its `state`."""
    state = {"state": request.values["state"]} if "state" in request.values else {}
    mark = "&" if urlsplit(target).query else "?"
    return make_response(redirect(f"{target}{mark}{urlencode({**result, **state})}"))


def _page(html: str, status: int = 200) -> Response:
    return Response(html, status, headers={"Cache-Control": "no-store"}, mimetype="text/html")


def _fields() -> dict[str, str]:
    """What was sent, as a form, as JSON or in the query; the client also as Basic auth."""
    sent = json_body() if request.mimetype == "application/json" else request.values.to_dict()
    basic = request.authorization
    if basic is not None and basic.type == "basic":
        sent = {"client_id": basic.username, "client_secret": basic.password} | sent
    return {name: value for name, value in sent.items() if isinstance(value, str)}


def _error_body(name: str) -> dict[str, str]:
    return {
        "error": name,
        "error_description": _DESCRIPTIONS[name],
        "error_uri": f"{_DOCUMENTATION}#{name.replace('_', '-')}",
    }


def _token_body(token: UserToken) -> dict[str, str | int]:
    return {
        "access_token": token.access_token,
        "expires_in": int(ACCESS_LIFETIME.total_seconds()),
        "refresh_token": token.refresh_token,
        "refresh_token_expires_in": int(REFRESH_LIFETIME.total_seconds()),
        "token_type": "bearer",
        "scope": "",
    }


def _token_response(body: Mapping[str, str | int]) -> Response:
    """JSON for who accepts it, else a form; never to be kept."""
    if "application/json" in request.headers.get("Accept", ""):
        response = json_response(body)
    else:
        response = Response(urlencode(body), mimetype="application/x-www-form-urlencoded")
    response.headers["Cache-Control"] = "no-store"
    return response
