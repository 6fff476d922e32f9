"""Between records and rows: a record's members are columns of the same names.

A record within a record is selected under names with a dot (`"latest_run.run_id"`).
"""

from collections.abc import Iterable, Mapping
from typing import Any, LiteralString

from psycopg import sql

from api.records import Record


def columns_of(
    record: type[Record], table: str, *, within: str = "", without: Iterable[str] = ()
) -> sql.Composed:
    """The columns of a table, or of what has its name in a query, that a record has.

    Args:
        within: the member that holds the record; empty: the answer's row is it.
        without: members that are no columns of this table.
    """
    left_out = set(without)
    prefix = f"{within}." if within else ""
    return sql.SQL(", ").join(
        sql.SQL("{}.{} as {}").format(
            sql.Identifier(table), sql.Identifier(name), sql.Identifier(prefix + name)
        )
        for name in record.model_fields
        if name not in left_out
    )


def named_formulas(formulas: Mapping[str, LiteralString]) -> sql.Composed:
    """Formulas of SQL as columns, each under its name."""
    return sql.SQL(", ").join(
        sql.SQL("{} as {}").format(sql.SQL(formula), sql.Identifier(name))
        for name, formula in formulas.items()
    )


def nested(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with its records within; one of which no column is known is null."""
    answered: dict[str, Any] = {}
    for name, value in row.items():
        outer, dot, inner = name.partition(".")
        if dot:
            answered.setdefault(outer, {})[inner] = value
        else:
            answered[name] = value
    for name, value in answered.items():
        if isinstance(value, dict):
            inside = nested(value)
            is_known = any(each is not None for each in inside.values())
            answered[name] = inside if is_known else None
    return answered
