"""Writes that a cookie authenticates: only from our own pages, with a token that others lack."""

import hmac
from http import HTTPStatus

from flask import Request

from actionsight.settings import Settings
from api.auth.sessions import Session
from api.errors import Problem
from api.origins import check_origin

HEADER = "X-CSRF-Token"
_PURPOSE = b"actionsight csrf "


def token_of(session_hash: bytes, settings: Settings) -> str:
    """The token of a session: it cannot be made without the secret key, nor for another session.

    Raises:
        ValueError: there is no secret key.
    """
    if not settings.secret_key:
        raise ValueError("ACTIONSIGHT_SECRET_KEY is not set")
    return hmac.digest(settings.secret_key.encode(), _PURPOSE + session_hash, "sha256").hex()


def check(request: Request, session: Session, settings: Settings) -> None:
    """Let a write through that a session's cookie authenticates.

    Raises:
        Problem: 403, the token or the origin is missing or wrong.
    """
    check_origin(request, settings)
    given = request.headers.get(HEADER, "")
    expected = token_of(session.session_hash, settings)
    # A header is latin-1 text of the bytes that came; only bytes can be compared in all cases.
    if not hmac.compare_digest(given.encode("latin-1", "replace"), expected.encode()):
        raise Problem(
            HTTPStatus.FORBIDDEN,
            f"Send the value of the csrf cookie in the header {HEADER}, beside the cookies.",
        )
