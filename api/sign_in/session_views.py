"""GET /me and POST /logout: of the person whose session the cookie names."""

from http import HTTPStatus

from flask import Blueprint, Response, request
from pydantic import Field

from api import rate_limits
from api.auth import csrf, grants, sessions
from api.auth.sessions import Session
from api.current import current_settings
from api.database import Primary, current_database
from api.endpoints import endpoint
from api.errors import Problem
from api.github import current_oauth
from api.records import Id, Record, Time, Url
from api.responses import json_response
from api.sign_in import users
from api.sign_in.configuration import SignIn, current_sign_in

blueprint = Blueprint("sessions", __name__)

_OFF = "Sign-in is not configured, or the database is away."
_NOBODY = "No session, or one that ended."


class Me(Record):
    """Who is signed in, and what a page needs in order to write in their name."""

    id: Id = Field(description="GitHub's id.")
    login: str
    name: str | None
    avatar_url: Url | None
    is_operator: bool = Field(description="Whether they see and manage all that is monitored.")
    csrf_header: str = Field(
        description="The header that everything needs which changes something."
    )
    csrf_token: str = Field(description="Its value, as long as this session lasts.")
    expires_at: Time = Field(description="When the session ends if nobody uses it until then.")


@blueprint.get("/me")
@endpoint(
    "Who is signed in.",
    tag="account",
    answer=Me,
    has_freshness=False,
    failures={HTTPStatus.UNAUTHORIZED: _NOBODY, HTTPStatus.SERVICE_UNAVAILABLE: _OFF},
)
def get_me() -> Response:
    """The person, and what a page needs in order to write in their name."""
    sign_in = current_sign_in(current_settings())
    with current_database().writing() as connection:
        session = _session(connection, sign_in)
        user = users.find_user(connection, session.user_id)
    if user is None:
        raise _nobody()
    return json_response(
        {
            "id": user.user_id,
            "login": user.login,
            "name": user.name,
            "avatar_url": user.avatar_url,
            "is_operator": user.user_id in sign_in.settings.operators,
            "csrf_header": csrf.HEADER,
            # Also in a cookie, which scripts of a frontend on another host cannot read.
            "csrf_token": csrf.token_of(session.session_hash, sign_in.settings),
            "expires_at": session.expires_at,
        }
    )


@blueprint.post("/logout")
@endpoint(
    "Ends the session, here and at GitHub.",
    tag="account",
    status=HTTPStatus.NO_CONTENT,
    answer=None,
    has_freshness=False,
    failures={
        HTTPStatus.UNAUTHORIZED: _NOBODY,
        HTTPStatus.FORBIDDEN: "The CSRF token or the header `Origin` is missing or wrong.",
        HTTPStatus.SERVICE_UNAVAILABLE: _OFF,
    },
)
def post_logout() -> Response:
    """The session ends also when GitHub is away; its token is then left to expire there, known to
    nobody."""
    sign_in = current_sign_in(current_settings())
    settings = sign_in.settings
    database = current_database()
    with database.writing() as connection:
        session = _session(connection, sign_in)
    csrf.check(request, session, settings)
    grants.revoke(database, sign_in.cipher, current_oauth(), session.grant_id, reason="signed out")
    response = Response(status=HTTPStatus.NO_CONTENT)
    for name in (sign_in.cookies.session, sign_in.cookies.csrf):
        sign_in.cookies.clear(response, name)
    return response


def _session(connection: Primary, sign_in: SignIn) -> Session:
    cookie_value = request.cookies.get(sign_in.cookies.session)
    session = sessions.find_session(connection, cookie_value) if cookie_value else None
    if session is None:
        raise _nobody()
    rate_limits.count_as(session.user_id)
    return session


def _nobody() -> Problem:
    return Problem(
        HTTPStatus.UNAUTHORIZED,
        "Nobody is signed in: POST /login.",
        headers={"WWW-Authenticate": 'Cookie realm="actionsight"'},
    )
