"""Keyset paging: an opaque token says after which key the next page begins.

A page is found by its key, never by an offset, so that rows which come or go between two pages
neither repeat nor hide others. A token holds nothing but the key of the last row that its reader
was shown; rights are checked anew for each page. Its signature ties it to its route and filter, and
nothing is read that was not given out here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from itsdangerous import BadData, URLSafeSerializer
from psycopg import sql
from pydantic import BeforeValidator, Field, WithJsonSchema

from api.errors import bad_query
from api.parameters import Parameters, whole_number
from api.responses import to_json
from api.seals import current_seal

MOST_ROWS = 500
DEFAULT_ROWS = 50
LONGEST_TOKEN = 4000
_SALT = b"page token"
_UNUSABLE = "must be the `next` of an earlier answer to the same query"


def _token(value: str) -> str:
    if not value or len(value) > LONGEST_TOKEN:
        raise ValueError(_UNUSABLE)
    return value


class PageParameters(Parameters):
    """Of a list: how many rows, after which."""

    limit: Annotated[
        int,
        BeforeValidator(whole_number(1, MOST_ROWS)),
        WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MOST_ROWS}),
    ] = Field(DEFAULT_ROWS, description="How many rows at most.")
    next: Annotated[
        str | None,
        BeforeValidator(_token),
        WithJsonSchema({"type": "string", "minLength": 1, "maxLength": LONGEST_TOKEN}),
    ] = Field(
        None,
        description="The `next` of the page before, as it came; every other parameter but `limit` "
        "stays the same.",
    )


# Texts, numbers, nulls; days and times as texts.
Key = tuple[Any, ...]


@dataclass(frozen=True)
class Order:
    """The order of a list: by these expressions, of which the last makes a row unique.

    Attributes:
        expressions: SQL over the rows, none of them ever null (`nulls_last`).
        is_descending: all of them, since only then one comparison of rows finds a page.
    """

    expressions: Sequence[sql.Composable]
    is_descending: bool = False

    @property
    def clause(self) -> sql.Composed:
        """As `order by` has it."""
        direction = sql.SQL(" desc" if self.is_descending else "")
        return sql.SQL(", ").join(
            sql.Composed([expression, direction]) for expression in self.expressions
        )

    @property
    def keys(self) -> sql.Composed:
        """The key of a row, as columns `key_0` and so on."""
        return sql.SQL(", ").join(
            sql.SQL("{} as {}").format(expression, sql.Identifier(f"key_{number}"))
            for number, expression in enumerate(self.expressions)
        )

    def after(self, key: Key | None) -> tuple[sql.Composable, dict[str, Any]]:
        """The condition that chooses what comes after a row, and its SQL parameters."""
        if key is None:
            return sql.SQL("true"), {}
        parameters = {f"after_{number}": part for number, part in enumerate(key)}
        condition = sql.SQL("({}) {} ({})").format(
            sql.SQL(", ").join(self.expressions),
            sql.SQL("<" if self.is_descending else ">"),
            sql.SQL(", ").join(sql.Placeholder(name) for name in parameters),
        )
        return condition, parameters


def nulls_last(expression: sql.Composable, *, is_descending: bool) -> sql.Composed:
    """A number for an order in which those that are not known come last, either way."""
    return sql.SQL("coalesce({}::double precision, {}::double precision)").format(
        expression, sql.Literal("-infinity" if is_descending else "infinity")
    )


@dataclass(frozen=True)
class Page:
    """One page of a list: how many rows, after which key (None: from the start)."""

    limit: int
    after: Key | None
    query: bytes

    def cut(
        self, rows: list[dict[str, Any]], key: Callable[[dict[str, Any]], Key]
    ) -> tuple[list[dict[str, Any]], str | None]:
        """The rows of this page out of `limit` + 1 that were asked for, and the token after it."""
        if len(rows) <= self.limit:
            return rows, None
        shown = rows[: self.limit]
        return shown, _serializer(self.query).dumps([_part(part) for part in key(shown[-1])])

    def cut_by_keys(self, rows: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], str | None]:
        """The same for rows that have their keys (`Order.keys`), which go."""
        names = [name for name in rows[0] if name.startswith("key_")] if rows else []
        shown, token = self.cut(rows, lambda row: tuple(row[name] for name in names))
        for row in shown:
            for name in names:
                del row[name]
        return shown, token


def read_page(query: PageParameters, route: str, applied: Mapping[str, Any]) -> Page:
    """The page that was asked for.

    Raises:
        Problem: 400, the token is damaged or belongs to another query.
    """
    asked = to_json([route, applied])
    if query.next is None:
        return Page(query.limit, None, asked)
    serializer = _serializer(asked)
    try:
        after = serializer.loads(query.next)
        # Bits of the last character that mean nothing could be anything.
        if serializer.dumps(after) != query.next:
            raise BadData(_UNUSABLE)
    except BadData:
        raise bad_query("next", _UNUSABLE) from None
    return Page(query.limit, tuple(after), asked)


def _part(value: Any) -> Any:
    """A part of a key as JSON has it; PostgreSQL reads infinite numbers from their names."""
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return "infinity" if value > 0 else "-infinity"
    return value if value is None or isinstance(value, str | int | float) else str(value)


def _serializer(query: bytes) -> URLSafeSerializer:
    return URLSafeSerializer(current_seal().key_for(_SALT), salt=query)
