"""Keyset paging: an opaque token says after which key the next page begins.

A page is found by its key, never by an offset, so that rows which come or go between two pages
neither repeat nor hide others. A token holds nothing but the key of the last row that its reader
was shown; rights are checked anew for each page. Its seal ties it to its route and filter, and
nothing is read that was not given out here.
"""

import base64
import binascii
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

import orjson

from api.errors import bad_request
from api.parameters import Arguments, Parameter, Schema, whole_number
from api.responses import to_json
from api.seals import MAC_BYTES, current_seal

MOST_ROWS = 500
DEFAULT_ROWS = 50
LONGEST_TOKEN = 2000
_PLACE = "page token"


def _token(value: str) -> str:
    if not value or len(value) > LONGEST_TOKEN:
        raise ValueError(_UNUSABLE)
    return value


_UNUSABLE = "must be the `next` of an earlier answer to the same query"

LIMIT = Parameter(
    "limit",
    "How many rows at most.",
    whole_number(1, MOST_ROWS),
    {"type": "integer", "minimum": 1, "maximum": MOST_ROWS, "default": DEFAULT_ROWS},
    default=DEFAULT_ROWS,
)
NEXT = Parameter(
    "next",
    "The `next` of the page before, as it came; every other parameter but `limit` stays the same.",
    _token,
    {"type": "string", "minLength": 1, "maxLength": LONGEST_TOKEN},
)
PAGE_PARAMETERS = (LIMIT, NEXT)
NEXT_SCHEMA: Schema = {
    "type": ["string", "null"],
    "description": "Asks for the next page; null on the last one.",
}


class KeyKind(NamedTuple):
    """How one part of a key travels: its Python type, and how JSON's value becomes it again."""

    type: type
    restore: Callable[[Any], Any]


WHOLE_NUMBER = KeyKind(int, lambda value: value)
TEXT = KeyKind(str, lambda value: value)
DAY = KeyKind(date, lambda value: date.fromisoformat(value))

Key = tuple[Any, ...]


@dataclass(frozen=True)
class Page:
    """One page of a list: how many rows, after which key (None: from the start)."""

    limit: int
    after: Key | None
    query: bytes

    def cut(self, rows: list[Any], key: Callable[[Any], Key]) -> tuple[list[Any], str | None]:
        """The rows of this page out of `limit` + 1 that were asked for, and the token after it."""
        if len(rows) <= self.limit:
            return rows, None
        shown = rows[: self.limit]
        return shown, _encode(self.query, key(shown[-1]))


def read_page(
    arguments: Arguments, kinds: Sequence[KeyKind], route: str, applied: Mapping[str, Any]
) -> Page:
    """The page that was asked for, in a list whose keys are of these kinds.

    Raises:
        Problem: 400, the token is damaged or belongs to another query.
    """
    query = to_json([route, applied])
    token = arguments["next"]
    try:
        after = None if token is None else _decode(query, token, kinds)
    except (ValueError, TypeError):
        raise bad_request(
            "The query string cannot be used; see errors.",
            [{"parameter": "next", "detail": _UNUSABLE}],
        ) from None
    return Page(arguments["limit"], after, query)


def _encode(query: bytes, key: Key) -> str:
    payload = to_json(key)
    return _pack(_mac(query, payload), payload)


def _pack(mac: bytes, payload: bytes) -> str:
    return base64.urlsafe_b64encode(mac + payload).decode().rstrip("=")


def _decode(query: bytes, token: str, kinds: Sequence[KeyKind]) -> Key:
    try:
        padded = token.encode("ascii") + b"=" * (-len(token) % 4)
        packed = base64.b64decode(padded, altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise ValueError(_UNUSABLE) from error
    mac, payload = packed[:MAC_BYTES], packed[MAC_BYTES:]
    expected = _mac(query, payload)
    if not hmac.compare_digest(mac, expected) or token != _pack(mac, payload):
        raise ValueError(_UNUSABLE)
    values = orjson.loads(payload)
    key = tuple(kind.restore(value) for kind, value in zip(kinds, values, strict=True))
    if not all(type(value) is kind.type for value, kind in zip(key, kinds, strict=True)):
        raise ValueError(_UNUSABLE)
    if any(isinstance(value, str) and "\0" in value for value in key):
        raise ValueError(_UNUSABLE)  # what PostgreSQL holds in no text was never in an answer
    return key


def _mac(query: bytes, payload: bytes) -> bytes:
    return current_seal().mac(_PLACE, query + b"\0" + payload)
