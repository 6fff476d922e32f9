"""Groups and sums of rows. A statistic over nothing is null, never 0."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from tests.transform.reference.raw import Row


def known(row: Row) -> Row:
    """The row with null for every empty string."""
    return {name: None if value == "" else value for name, value in row.items()}


def grouped(rows: Iterable[Row], *names: str) -> dict[tuple[Any, ...], list[Row]]:
    """The rows by their values of these columns."""
    groups = defaultdict(list)
    for row in rows:
        groups[tuple(row[name] for name in names)].append(row)
    return dict(groups)


def total(rows: Iterable[Row], name: str) -> Any:
    """Sum of the column's known values; None without any."""
    values = [row[name] for row in rows if row[name] is not None]
    return sum(values) if values else None


def count(rows: Iterable[Row], name: str) -> int:
    """How many rows have the flag."""
    return sum(bool(row[name]) for row in rows)


def share(part: int, whole: int) -> float | None:
    """A rate; None of nothing."""
    return part / whole if whole else None
