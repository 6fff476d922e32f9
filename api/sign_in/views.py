"""POST /login and GitHub's way back: a person comes out of it with a session."""

import logging
from http import HTTPStatus
from typing import Annotated

from flask import Blueprint, Response, request
from pydantic import Field, WithJsonSchema

from actionsight.encryption import hash_of
from actionsight.github.errors import BadCredentialError, ClientRefusedError, GitHubError
from actionsight.github.oauth import GitHubAccount, Tokens
from actionsight.settings import Settings
from api.auth import csrf, grants, sessions
from api.auth.origins import check_origin, frontends
from api.bodies import FORM, read_form
from api.current import current_settings
from api.database import current_database
from api.endpoints import endpoint
from api.errors import (
    RETRY_SECONDS,
    Kind,
    Problem,
    bad_query,
    text_for_answer,
)
from api.github import current_oauth
from api.parameters import Parameters, Schema, Text
from api.sign_in import pending, users
from api.sign_in.admission import check_admission
from api.sign_in.configuration import SignIn, current_sign_in
from api.sign_in.next_path import NEXT_SCHEMA, next_address
from api.sign_in.oauth import CALLBACK, GitHubOAuth
from api.sign_in.pending import AGAIN

logger = logging.getLogger(__name__)

DEFAULT_NEXT = "/me"
_OFF_OR_AWAY = "Sign-in is not configured, or GitHub or the database is away."


_NEXT: Schema = {"anyOf": [NEXT_SCHEMA, {"type": "string", "format": "uri"}]}
_WHERE = (
    "Where the person goes after the sign-in: a path of this API, or an address of "
    "a frontend whose origin stands in `ACTIONSIGHT_FRONTEND_ORIGINS`; otherwise `/me`."
)
_FORM: Schema = {"type": "object", "properties": {"next": {**_NEXT, "description": _WHERE}}}


class LoginQuery(Parameters):
    """What POST /login may be asked, by its address or by its form."""

    next: Annotated[str | None, WithJsonSchema(_NEXT)] = Field(
        None, description=f"{_WHERE} It may also be a field of the form."
    )


class AuthorizedQuery(Parameters):
    """What GitHub puts into the address when it sends a person back."""

    code: Text | None = Field(None, description="What GitHub gave for the person's consent.")
    state: Text | None = Field(None, description="Names the sign-in that comes back.")
    error: Text | None = Field(None, description="Why GitHub gave no code.")


def make_blueprint(settings: Settings) -> GitHubOAuth:
    """The blueprint of the two routes, with the settings' App."""
    blueprint = GitHubOAuth(settings)
    add_routes(blueprint)
    return blueprint


def add_routes(blueprint: Blueprint) -> None:
    """Add the two routes, named as Flask-Dance looks for them."""
    blueprint.post("/login", endpoint="login")(post_login)
    blueprint.get(CALLBACK, endpoint="authorized")(get_authorized)


@endpoint(
    "Sends the person to GitHub to sign in.",
    tag="account",
    query=LoginQuery,
    body={FORM: _FORM},
    is_body_optional=True,
    status=HTTPStatus.SEE_OTHER,
    answer=None,
    has_freshness=False,
    failures={
        HTTPStatus.FORBIDDEN: "The header `Origin` names no page of this API or of a frontend.",
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The body is no form of fields.",
        HTTPStatus.SERVICE_UNAVAILABLE: _OFF_OR_AWAY,
    },
)
def post_login(query: LoginQuery) -> Response:
    """To be sent by a form, so that the browser follows the answer; a token is not needed. The
    cookie that comes with the answer must be there when GitHub sends the person back."""
    sign_in = current_sign_in(current_settings())
    check_origin(request, sign_in.settings)
    path = _next(read_form(request).get("next", query.next), sign_in.settings)
    authorization = sign_in.oauth.begin()
    with current_database().writing() as connection:
        browser = pending.begin(
            connection,
            sign_in.cipher,
            state=authorization.state,
            verifier=authorization.verifier,
            next_path=path,
        )
    response = _see_other(authorization.url)
    name = sign_in.cookies.sign_in(hash_of(authorization.state))
    sign_in.cookies.set(response, name, browser, pending.LIFETIME)
    return response


@endpoint(
    "Where GitHub sends the person back: opens a session.",
    tag="account",
    query=AuthorizedQuery,
    is_lenient=True,
    status=HTTPStatus.SEE_OTHER,
    answer=None,
    has_freshness=False,
    failures={
        HTTPStatus.BAD_REQUEST: "The sign-in is unknown, used or older than ten minutes, or GitHub "
        "does not take its code.",
        HTTPStatus.FORBIDDEN: "The person did not consent, or may not sign in here; or another "
        "browser began the sign-in.",
        HTTPStatus.SERVICE_UNAVAILABLE: _OFF_OR_AWAY,
    },
)
def get_authorized(query: AuthorizedQuery) -> Response:
    """For browsers that come from GitHub alone. The answer leads to the `next` of `POST /login`,
    with two cookies: the session, which no script sees, and the CSRF token, which scripts send back
    in the header `X-CSRF-Token` with everything that changes something. An older session of the
    same browser ends."""
    sign_in = current_sign_in(current_settings())
    state = query.state
    if not state:
        raise Problem(HTTPStatus.BAD_REQUEST, f"No sign-in comes back: state is missing. {AGAIN}")
    cookie = sign_in.cookies.sign_in(hash_of(state))
    with current_database().writing() as connection:
        begun = pending.redeem(connection, sign_in.cipher, state, request.cookies.get(cookie))
    if query.error or not query.code:
        raise _no_code(query.error)
    cookie_value = _open_session(sign_in, state, begun.verifier)
    address = begun.next_path or DEFAULT_NEXT
    is_path = address.startswith("/")
    response = _see_other(sign_in.settings.public_root + address if is_path else address)
    sign_in.cookies.clear(response, cookie)
    _give_session(sign_in, response, cookie_value)
    return response


def _open_session(sign_in: SignIn, state: str, verifier: str) -> str:
    settings, cipher = sign_in.settings, sign_in.cipher
    try:
        tokens = sign_in.oauth.complete(state, verifier)
        account = _admitted(settings, tokens)
    except BadCredentialError:
        raise Problem(
            HTTPStatus.BAD_REQUEST, f"GitHub does not take the code: used or too old. {AGAIN}"
        ) from None
    except ClientRefusedError:
        logger.error("GitHub does not know the client id, secret or callback address")
        raise Problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "GitHub does not know this installation: its operator must compare "
            "ACTIONSIGHT_GITHUB_CLIENT_ID, ACTIONSIGHT_GITHUB_CLIENT_SECRET and "
            "ACTIONSIGHT_PUBLIC_URL with the App at GitHub.",
        ) from None
    except GitHubError as error:
        logger.warning("sign-in failed: %s", error)
        raise github_unavailable() from None
    with current_database().writing() as connection:
        cookie_value = users.sign_in(connection, cipher, account, tokens)
    _end_older_session(sign_in)
    return cookie_value


def _admitted(settings: Settings, tokens: Tokens) -> GitHubAccount:
    """Whose tokens they are; those of somebody who may not sign in are ended at GitHub."""
    oauth = current_oauth()
    account = oauth.read_account(tokens.access_token)
    try:
        check_admission(settings, oauth, account, tokens.access_token)
    except Problem:
        grants.end_at_github(oauth, tokens.access_token)
        raise
    return account


def _end_older_session(sign_in: SignIn) -> None:
    older, database = request.cookies.get(sign_in.cookies.session), current_database()
    if not older:
        return
    with database.writing() as connection:
        session = sessions.find_session(connection, older)
    if session is not None:
        grants.revoke(
            database, sign_in.cipher, current_oauth(), session.grant_id, reason="signed in again"
        )


def _give_session(sign_in: SignIn, response: Response, cookie_value: str) -> None:
    cookies = sign_in.cookies
    token = csrf.token_of(hash_of(cookie_value), sign_in.settings)
    cookies.set(response, cookies.session, cookie_value, sessions.LIFETIME)
    cookies.set(response, cookies.csrf, token, sessions.LIFETIME, scripts=True)


def github_unavailable() -> Problem:
    """GitHub could not be asked; another try may help."""
    return Problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "GitHub does not answer. Try again in a moment.",
        kind=Kind.GITHUB_AWAY,
        headers={"Retry-After": RETRY_SECONDS},
    )


def _no_code(error: str | None) -> Problem:
    if error == "access_denied":
        return Problem(
            HTTPStatus.FORBIDDEN,
            "You refused at GitHub, so nobody is signed in. POST /login asks again.",
        )
    reason = f"GitHub gave no code: {text_for_answer(error)}." if error else "The code is missing."
    return Problem(HTTPStatus.BAD_REQUEST, f"{reason} {AGAIN}")


def _next(given: str | None, settings: Settings) -> str | None:
    if given is None:
        return None
    try:
        return next_address(given, frontends(settings))
    except ValueError as error:
        raise bad_query("next", str(error)) from None


def _see_other(url: str) -> Response:
    return Response(status=HTTPStatus.SEE_OTHER, headers={"Location": url})
