"""Authentication: who sends a request, by an API token or by the cookie of a session."""

import hashlib
import re
from dataclasses import dataclass
from http import HTTPStatus

from flask import Request
from psycopg import sql

from actionsight.api_tokens import ApiToken, Scope, find_token
from actionsight.database import SNAPSHOT
from actionsight.settings import Settings
from api.auth import csrf
from api.auth.cookies import Cookies
from api.auth.permissions import UserGrant
from api.auth.sessions import Session, find_session
from api.database import Database, Primary
from api.errors import Kind, Problem

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
# A token that GitHub gave to another application would open ours, if GitHub were asked whose it is.
_GITHUB_TOKEN = re.compile(r"gh[a-z]_|github_pat_")
_SIGN_IN_AGAIN = (
    "Sign in again: GitHub is not asked for the owner of this token without a sign-in that lasts."
)


@dataclass(frozen=True)
class Principal:
    """Who asks. Every query takes `repository_ids`: what is not in it does not exist for them.

    Attributes:
        proof: what they sent, as it is known here.
        user_id: GitHub's id; None: whoever has a token of the operator's command line.
        login: as GitHub last told it, for people to read.
        is_operator: whether they see and manage all that is monitored.
        grant: by which GitHub is asked what they may see; None: it cannot be, which only operators
            can do without.
        repository_ids: what they may see of what is monitored; nothing until that is read
            (`api.auth.access.authorize`).
        snapshot: of the database, in which that was read, or until then who they are
            (`actionsight.database.SNAPSHOT`).
    """

    proof: Session | ApiToken
    user_id: int | None
    login: str | None
    is_operator: bool
    grant: UserGrant | None
    repository_ids: tuple[int, ...] = ()
    snapshot: str | None = None

    @property
    def token_id(self) -> int | None:
        """Of the API token; None: by a session."""
        return self.proof.token_id if isinstance(self.proof, ApiToken) else None


def sends_credentials(request: Request, settings: Settings) -> bool:
    """Whether the request says who sends it, rightly or not."""
    return "Authorization" in request.headers or Cookies.of(settings).session in request.cookies


def bearer_token(request: Request) -> str:
    """The API token that a request sends, right or wrong; empty: none.

    Not by Werkzeug, which reads `Basic`, too, and raises where that is no ASCII.
    """
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def credential_of(request: Request, settings: Settings) -> bytes | None:
    """A digest of what says who sends the request; None: nothing does."""
    text = bearer_token(request) or request.cookies.get(Cookies.of(settings).session)
    return hashlib.sha256(text.encode()).digest() if text else None


def read_principal(
    database: Database, request: Request, settings: Settings, needed: Scope
) -> Principal:
    """Who sends the request.

    Args:
        needed: what an API token must be for.

    Raises:
        Problem: 401, nobody known; 403, a write without what protects writes by cookie, a token
            that is not for this, or whose owner has to sign in again.
    """
    if token := bearer_token(request):
        with database.looking() as connection:
            return _by_token(connection, token, settings, needed)
    cookie_value = request.cookies.get(Cookies.of(settings).session)
    # Sessions rest on the secret key: without it none of them means anything any more.
    if cookie_value and settings.secret_key:
        with database.looking() as connection:
            return _by_session(connection, cookie_value, request, settings)
    raise _unauthorized("Sign in, or send an API token: `Authorization: Bearer …`.")


def signed_out(token_id: int | None) -> Problem:
    """GitHub ended the sign-in of who asks, by an API token or by a session."""
    if token_id is not None:
        return Problem(HTTPStatus.FORBIDDEN, _SIGN_IN_AGAIN, kind=Kind.SIGN_IN_AGAIN)
    return _unauthorized("The session has ended: sign in again.", kind=Kind.SIGN_IN_AGAIN)


def _by_token(connection: Primary, token: str, settings: Settings, needed: Scope) -> Principal:
    if _GITHUB_TOKEN.match(token):
        raise _unauthorized(
            "This is a token of GitHub's. Actionsight takes its own alone.", is_invalid=True
        )
    api_token = find_token(connection, token)
    if api_token is None:
        raise _unauthorized("The API token is unknown, expired or revoked.", is_invalid=True)
    if not api_token.opens(needed):
        raise _out_of_scope(api_token, needed)
    if api_token.user_id is None:
        return Principal(
            api_token, None, None, is_operator=True, grant=None, snapshot=api_token.snapshot
        )
    return _by_token_of_user(connection, api_token, api_token.user_id, settings)


_OWNER = (
    sql.SQL(
        """
        select
            login,
            greatest(rights_invalid_before, timestamptz 'epoch') as rights_invalid_before,
            clock_timestamp() as now,
            {snapshot} as snapshot,
            (
                select grant_id from app.sign_in_grants as grants
                where grants.user_id = users.user_id and revoked_at is null
                order by created_at desc, grant_id desc limit 1
            ) as grant_id
        from app.users
        where user_id = %s
        """
    )
    .format(snapshot=SNAPSHOT)
    .as_bytes()
)


def _by_token_of_user(
    connection: Primary, api_token: ApiToken, user_id: int, settings: Settings
) -> Principal:
    row = connection.execute(
        _OWNER,
        [user_id],
    ).fetchone()
    is_operator = user_id in settings.operators
    grant = None
    if row and row["grant_id"] is not None and settings.secret_key:
        grant = UserGrant(user_id, row["grant_id"], row["rights_invalid_before"], row["now"])
    if row is None or (grant is None and not is_operator):
        connection.commit()  # that the token was used
        raise signed_out(api_token.token_id)
    return Principal(api_token, user_id, row["login"], is_operator, grant, snapshot=row["snapshot"])


def _by_session(
    connection: Primary, cookie_value: str, request: Request, settings: Settings
) -> Principal:
    session = find_session(connection, cookie_value)
    if session is None:
        raise _unauthorized("The session is unknown or has ended: sign in again.")
    if request.method not in SAFE_METHODS:
        csrf.check(request, session, settings)
    grant = UserGrant(session.user_id, session.grant_id, session.rights_invalid_before, session.now)
    is_operator = session.user_id in settings.operators
    return Principal(
        session, session.user_id, session.login, is_operator, grant, snapshot=session.snapshot
    )


def _out_of_scope(api_token: ApiToken, needed: Scope) -> Problem:
    return Problem(
        HTTPStatus.FORBIDDEN,
        f"This token is for {' and '.join(sorted(api_token.scopes))}; what was asked for needs the "
        f"scope {needed}: `actionsight tokens create --scope {needed}`.",
        headers={
            "WWW-Authenticate": 'Bearer realm="actionsight", error="insufficient_scope", '
            f'scope="{needed}"'
        },
    )


def _unauthorized(detail: str, *, is_invalid: bool = False, kind: Kind = Kind.SIGN_IN) -> Problem:
    error = ', error="invalid_token"' if is_invalid else ""
    challenge = f'Bearer realm="actionsight"{error}'
    headers = {"WWW-Authenticate": challenge}
    return Problem(HTTPStatus.UNAUTHORIZED, detail, kind=kind, headers=headers)
