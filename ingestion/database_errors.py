"""PostgreSQL's errors in words for an operator."""

import psycopg
from psycopg.errors import UndefinedColumn, UndefinedTable


class LoadError(Exception):
    """PostgreSQL did not take the rows; the cursors still stand before them."""


def first_line(error: Exception) -> str:
    """What went wrong, without PostgreSQL's details: those can quote a whole row."""
    return str(error).partition("\n")[0]


def explained(error: psycopg.Error) -> str:
    """One sentence for an operator, with the remedy where we know it."""
    remedy = ""
    if isinstance(error, UndefinedTable | UndefinedColumn):
        remedy = ". Run `actionsight migrate` first"
    return f"PostgreSQL: {first_line(error)}{remedy}"
