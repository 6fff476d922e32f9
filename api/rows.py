"""Between records and rows: a record's members are columns of the same names.

A record within a record is selected under names with a dot (`"latest_run.run_id"`).
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, LiteralString, cast

from psycopg import sql

from api.records import Record


def in_one_piece(part: sql.Composable) -> sql.SQL:
    """The same part of a statement, written: of dozens of parts each would be asked for its text
    whenever a statement is made of them."""
    return sql.SQL(cast(LiteralString, part.as_string()))


@cache
def columns_of(
    record: type[Record], table: str, *, within: str = "", without: tuple[str, ...] = ()
) -> sql.SQL:
    """The columns of a table, or of what has its name in a query, that a record has.

    Args:
        within: the member that holds the record; empty: the answer's row is it.
        without: members that are no columns of this table.
    """
    prefix = f"{within}." if within else ""
    return in_one_piece(
        sql.SQL(", ").join(
            sql.SQL("{}.{} as {}").format(
                sql.Identifier(table), sql.Identifier(name), sql.Identifier(prefix + name)
            )
            for name in record.model_fields
            if name not in without
        )
    )


def named_formulas(formulas: Mapping[str, LiteralString]) -> sql.SQL:
    """Formulas of SQL as columns, each under its name."""
    return _named(tuple(formulas.items()))


@cache
def _named(formulas: tuple[tuple[str, LiteralString], ...]) -> sql.SQL:
    return in_one_piece(
        sql.SQL(", ").join(
            sql.SQL("{} as {}").format(sql.SQL(formula), sql.Identifier(name))
            for name, formula in formulas
        )
    )


def nested(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with its records within; one of which no column is known is null."""
    answered: dict[str, Any] = {}
    records: set[str] = set()
    for name, value in row.items():
        if "." in name:
            outer, _, inner = name.partition(".")
            answered.setdefault(outer, {})[inner] = value
            records.add(outer)
        else:
            answered[name] = value
    for name in records:
        inside = nested(answered[name])
        is_known = any(each is not None for each in inside.values())
        answered[name] = inside if is_known else None
    return answered
