"""The JSON web token that an App signs with its key, to ask in its own name."""

from datetime import datetime, timedelta
from typing import Any

import jwt
from jwt.types import Options

_LONGEST_LIFE = timedelta(minutes=10)

# What it claims is checked here, by the clock that is given and in GitHub's words.
_ONLY_THE_SIGNATURE: Options = {
    "verify_signature": True,
    "verify_exp": False,
    "verify_iat": False,
    "verify_nbf": False,
    "verify_iss": False,
    "verify_aud": False,
}


class InvalidAppJWTError(ValueError):
    """The JSON web token is none that GitHub takes."""


def is_app_jwt(given: str) -> bool:
    """Whether a credential is what an App signs, by its look."""
    return given.startswith("eyJ") and given.count(".") == 2


def check_app_jwt(
    token: str, public_key: str | None, issuers: tuple[str, ...], now: datetime
) -> None:
    """Raise `InvalidAppJWTError` unless *token* is a JSON web token, signed with the App's
    key, that lives at *now*."""
    if public_key is None:
        raise InvalidAppJWTError("Integration not found")
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            public_key,
            algorithms=["RS256"],
            options=_ONLY_THE_SIGNATURE,
        )
    except jwt.InvalidTokenError as reason:
        raise InvalidAppJWTError("A JSON web token could not be decoded") from reason
    issued, ends = claims.get("iat"), claims.get("exp")
    if str(claims.get("iss")) not in issuers:
        raise InvalidAppJWTError("Integration not found")
    if not isinstance(issued, int | float) or issued > now.timestamp():
        raise InvalidAppJWTError(
            "'Issued at' claim ('iat') must be an Integer representing the time that the assertion"
            " was issued"
        )
    if not isinstance(ends, int | float) or ends <= now.timestamp():
        raise InvalidAppJWTError(
            "'Expiration time' claim ('exp') must be a numeric value representing the future time"
            " at which the assertion expires"
        )
    if ends > (now + _LONGEST_LIFE).timestamp():
        raise InvalidAppJWTError("'Expiration time' claim ('exp') is too far in the future")
