"""/tokens and /sessions: one's own; an operator's, everybody's."""

import re
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, request
from psycopg import Connection

from actionsight import api_tokens, audit
from api.account.queries import find_session, find_token, list_sessions, list_tokens
from api.account.records import CreatedToken, Session, Token, TokenWish
from api.auth import grants, sessions
from api.auth.access import current_principal
from api.auth.authentication import Principal
from api.bodies import read_json
from api.current import current_settings
from api.database import current_database
from api.endpoints import endpoint
from api.errors import Problem
from api.github import current_oauth
from api.pagination import PageParameters, read_page
from api.records import list_of
from api.responses import JSON, body_response, json_response, list_body
from api.sign_in.configuration import current_sign_in

blueprint = Blueprint("account", __name__)

# A digest: nothing else is asked of the database, which takes not every text.
_SESSION_ID = re.compile(r"[0-9a-f]{64}")
_CSRF = "What protects writes by cookie is missing; or the owner of the token has to sign in again."


@blueprint.get("/tokens")
@endpoint(
    "Tokens of the API.",
    tag="account",
    query=PageParameters,
    answer=list_of(Token),
    is_list=True,
    has_freshness=False,
)
def list_api_tokens(query: PageParameters) -> Response:
    """One's own, operators see everybody's; revoked and expired ones, too. Newest first."""
    page = read_page(query, "/tokens", {})
    with current_database().snapshot() as connection:
        rows = list_tokens(connection, _whose(current_principal()), page)
    shown, token = page.cut_by_keys(rows)
    return body_response(list_body(shown, token, applied={}))


@blueprint.post("/tokens")
@endpoint(
    "Makes a token of the API.",
    tag="account",
    body={JSON: TokenWish},
    answer=CreatedToken,
    status=HTTPStatus.CREATED,
    has_freshness=False,
    failures={
        HTTPStatus.BAD_REQUEST: "The body is no JSON with `name`, `scopes` and `expires_at`.",
        HTTPStatus.FORBIDDEN: f"A token makes no other one. {_CSRF}",
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The body is not JSON.",
    },
)
def create_api_token() -> Response:
    """It has the rights of who makes it, as long as that person is signed in somewhere; it is shown
    in this answer alone."""
    principal = current_principal()
    if not isinstance(principal.proof, sessions.Session):
        raise Problem(
            HTTPStatus.FORBIDDEN,
            "A token makes no other one: sign in, or use `actionsight tokens create`.",
        )
    wish = read_json(request, TokenWish)
    with current_database().writing() as connection:
        token_id, token = api_tokens.create_token(
            connection,
            wish.name,
            scopes=wish.scopes,
            expires_at=wish.expires_at,
            user_id=principal.user_id,
        )
        audit.record(
            connection,
            "token.created",
            user_id=principal.user_id,
            token=token_id,
            name=wish.name,
            scopes=sorted(wish.scopes),
            of_user_id=principal.user_id,
            expires_at=wish.expires_at.isoformat(timespec="seconds"),
        )
        made = find_token(connection, token_id, principal.user_id)
    return json_response({"data": {**(made or {}), "token": token}}, HTTPStatus.CREATED.value)


@blueprint.delete("/tokens/<id:token_id>")
@endpoint(
    "Revokes a token at once.",
    tag="account",
    answer=None,
    status=HTTPStatus.NO_CONTENT,
    has_freshness=False,
    failures={HTTPStatus.FORBIDDEN: _CSRF},
)
def delete_api_token(token_id: int) -> Response:
    """One's own, an operator's anybody's; one that was revoked before stays so."""
    principal = current_principal()
    with current_database().writing() as connection:
        known = find_token(connection, token_id, _whose(principal))
        if known is None:
            raise _not_found(f"token {token_id}")
        if api_tokens.revoke_token(connection, token_id):
            audit.record(
                connection,
                "token.revoked",
                user_id=principal.user_id,
                token_id=principal.token_id,
                token=token_id,
                name=known["name"],
            )
    return Response(status=HTTPStatus.NO_CONTENT)


@blueprint.get("/sessions")
@endpoint(
    "Sessions that are open.",
    tag="account",
    query=PageParameters,
    answer=list_of(Session),
    is_list=True,
    has_freshness=False,
)
def list_open_sessions(query: PageParameters) -> Response:
    """One's own, operators see everybody's. Newest first."""
    principal = current_principal()
    proof = principal.proof
    current = proof.session_hash if isinstance(proof, sessions.Session) else None
    page = read_page(query, "/sessions", {})
    with current_database().snapshot() as connection:
        rows = list_sessions(connection, _whose(principal), current, page)
    shown, token = page.cut_by_keys(rows)
    return body_response(list_body(shown, token, applied={}))


@blueprint.delete("/sessions/<session_id>")
@endpoint(
    "Ends a session, here and at GitHub.",
    tag="account",
    answer=None,
    status=HTTPStatus.NO_CONTENT,
    has_freshness=False,
    failures={HTTPStatus.FORBIDDEN: _CSRF},
)
def delete_session(session_id: str) -> Response:
    """One's own, an operator's anybody's: with all that rest on the same sign-in."""
    principal = current_principal()
    sign_in = current_sign_in(current_settings())
    known = None
    if _SESSION_ID.fullmatch(session_id):
        with current_database().writing() as connection:
            known = find_session(connection, session_id, _whose(principal))
    if known is None:
        raise _not_found("session")

    def note(connection: Connection[Any]) -> None:
        audit.record(
            connection,
            "session.ended",
            user_id=principal.user_id,
            token_id=principal.token_id,
            of_user_id=known["user_id"],
        )

    grants.revoke(
        current_database(),
        sign_in.cipher,
        current_oauth(),
        known["grant_id"],
        reason="ended by hand",
        note=note,
    )
    return Response(status=HTTPStatus.NO_CONTENT)


def _whose(principal: Principal) -> int | None:
    """Whose tokens and sessions the principal sees; None: everybody's."""
    return None if principal.is_operator else principal.user_id


def _not_found(what: str) -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, f"There is no {what}, or it is not yours.")
