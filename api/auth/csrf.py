"""Writes that a cookie authenticates: only from our own pages, with a token that others lack."""

import hmac
from http import HTTPStatus

from flask import Request

from actionsight.settings import Settings
from api.auth.origins import check_origin
from api.auth.sessions import Session
from api.errors import Kind, Problem

HEADER = "X-CSRF-Token"
_PURPOSE = b"actionsight csrf "


def token_of(session_hash: bytes, settings: Settings) -> str:
    """The token of a session: it cannot be made without the secret key, nor for another session.

    Raises:
        ValueError: there is no secret key.
    """
    if not settings.secret_keys:
        raise ValueError("ACTIONSIGHT_SECRET_KEY is not set")
    return _token(session_hash, settings.secret_keys[0])


def check(request: Request, session: Session, settings: Settings) -> None:
    """Let a write through that a session's cookie authenticates.

    Raises:
        Problem: 403, the token or the origin is missing or wrong.
    """
    check_origin(request, settings)
    given = request.headers.get(HEADER, "")
    # A header is latin-1 text of the bytes that came; only bytes can be compared in all cases.
    came = given.encode("latin-1", "replace")
    expected = [_token(session.session_hash, key).encode() for key in settings.secret_keys]
    if not any(hmac.compare_digest(came, token) for token in expected):
        raise Problem(
            HTTPStatus.FORBIDDEN,
            f"Send the value of the csrf cookie in the header {HEADER}, beside the cookies.",
            kind=Kind.CSRF,
        )


def _token(session_hash: bytes, key: str) -> str:
    return hmac.digest(key.encode(), _PURPOSE + session_hash, "sha256").hex()
