"""What /tokens and /sessions answer, and what a new token wants."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from actionsight.api_tokens import LONGEST_DAYS, SCOPES, Scope
from api.parameters import Parameters, first_moment, text
from api.records import Id, Record, Time


class Token(Record):
    """A token of the API; the token itself is not known any more."""

    token_id: Id
    name: str
    scopes: list[Scope]
    user_id: Id | None = Field(description="Whose rights it has; null: an operator's.")
    login: str | None
    created_at: Time
    expires_at: Time | None
    last_used_at: Time | None = Field(description="To the minute; null: never.")
    revoked_at: Time | None


class NewToken(Token):
    """A token that was just made."""

    token: str = Field(description="What to send: `Authorization: Bearer …`. Never shown again.")


class CreatedToken(Record):
    """The answer to its making."""

    data: NewToken


class Session(Record):
    """A sign-in of a person in a browser."""

    session_id: str
    user_id: Id
    login: str
    created_at: Time
    last_seen_at: Time = Field(description="To the minute.")
    expires_at: Time = Field(description="When it ends if nobody uses it until then.")
    is_current: bool = Field(description="Whether this request was sent by it.")


def _name(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be a text that says what the token is for")
    return text(value)


def _scopes(value: Any) -> tuple[str, ...]:
    is_known = isinstance(value, list) and value and all(each in SCOPES for each in value)
    if not is_known:
        raise ValueError(f"must be a list of scopes: {', '.join(SCOPES)}")
    return tuple(dict.fromkeys(value))


def _expiry(value: Any) -> datetime:
    expires_at = first_moment(value).instant if isinstance(value, str) else None
    now = datetime.now(UTC)
    if expires_at is None or not now < expires_at <= now + timedelta(days=LONGEST_DAYS):
        raise ValueError(f"must be a time within the next {LONGEST_DAYS} days")
    return expires_at


class TokenWish(Parameters):
    """What a new token is for, and how long."""

    name: Annotated[
        str, BeforeValidator(_name), WithJsonSchema({"type": "string", "minLength": 1})
    ] = Field(description="What it is for.", examples=["BI"])
    scopes: Annotated[
        tuple[Scope, ...],
        BeforeValidator(_scopes),
        WithJsonSchema({"type": "array", "items": {"type": "string", "enum": list(SCOPES)}}),
    ] = Field(
        description="`metrics`: GET /metrics alone; `read`: everything that answers; `manage`: "
        "also what changes something."
    )
    expires_at: Annotated[
        datetime,
        BeforeValidator(_expiry),
        WithJsonSchema({"type": "string", "format": "date-time"}),
    ] = Field(description="When it ends: within a year.", examples=["2027-02-26T09:30:00Z"])
