"""What a minute on a runner costs, and which labels mean which class of runner: raw data.

Each of the two lists is shipped beside this module. The operator's own, a file of the same name in
the data folder, adds to it; of two lines with one key the operator's counts.
"""

import csv
import re
import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import psycopg
from psycopg import Connection, sql
from psycopg.rows import dict_row

from actionsight.locks import RUNNERS_LOCK

Source = Literal["shipped", "operator"]
Row = dict[str, Any]
Key = tuple[Any, ...]

SHIPPED = Path(__file__).parent
# As PostgreSQL stores it: numeric(18, 6).
DECIMAL_PLACES, DEAREST = 6, Decimal(1_000_000)
LONGEST_PATTERN = 200
# The operator's patterns are tried before the shipped ones: they count from 1, so that
# one that is added moves no shipped one.
FIRST_SHIPPED_POSITION = 10_001
# But for \S and the like.
_UPPER_CASE = re.compile(r"(?<!\\)[A-Z]")


class RunnerListError(ValueError):
    """Lines of a list are wrong, and nothing was loaded; the message has one sentence for each."""


@dataclass(frozen=True)
class Changes:
    """How many rows of a table a load added, changed and removed."""

    added: int
    changed: int
    removed: int

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


@dataclass(frozen=True)
class Line:
    """A line below the first of a list: where it stands (`place` counts from 1), and its fields."""

    source: Source
    path: Path
    number: int
    place: int
    fields: list[str]

    def fault(self, what: object) -> str:
        """A sentence for the operator."""
        return f"{self.path}, line {self.number}: {what}"


@dataclass(frozen=True)
class RunnerList:
    """A list; its table and its file have one name.

    `columns` are those of the file, `key` the first of them. `parse` gives the row of the table
    from a line's fields; where one is wrong it raises ValueError, which says what is right.
    """

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    order: str
    parse: Callable[[Line], Row]

    def key_of(self, row: Row) -> Key:
        """What there is one row of."""
        return tuple(row[name] for name in self.key)


def _price(line: Line) -> Row:
    runner_class, valid_from, usd_per_minute, is_standard = line.fields
    if is_standard.lower() not in ("true", "false"):
        raise ValueError(f"is_standard is true or false, not {is_standard!r}")
    return {
        "runner_class": _runner_class(runner_class),
        "valid_from": _day(valid_from),
        "usd_per_minute": _usd(usd_per_minute),
        "is_standard": is_standard.lower() == "true",
        "source": line.source,
    }


def _label(line: Line) -> Row:
    pattern, runner_class = line.fields
    if not 1 <= len(pattern) <= LONGEST_PATTERN:
        raise ValueError(f"label_pattern has 1 to {LONGEST_PATTERN} characters")
    if _UPPER_CASE.search(pattern):
        right = _UPPER_CASE.sub(lambda letter: letter[0].lower(), pattern)
        raise ValueError(f"labels are compared in lower case: write {right!r}, not {pattern!r}")
    is_shipped = line.source == "shipped"
    if not is_shipped and line.place >= FIRST_SHIPPED_POSITION:
        raise ValueError(f"a list has at most {FIRST_SHIPPED_POSITION - 1:,} patterns")
    return {
        "label_pattern": pattern,
        "position": line.place + (FIRST_SHIPPED_POSITION - 1 if is_shipped else 0),
        "runner_class": _runner_class(runner_class),
        "source": line.source,
    }


PRICES = RunnerList(
    "runner_prices",
    columns=("runner_class", "valid_from", "usd_per_minute", "is_standard"),
    key=("runner_class", "valid_from"),
    order="valid_from",
    parse=_price,
)
LABELS = RunnerList(
    "runner_labels",
    columns=("label_pattern", "runner_class"),
    key=("label_pattern",),
    order="position",
    parse=_label,
)


def shipped_classes() -> tuple[str, ...]:
    """The classes of runners that the shipped prices know; an operator's list can add others."""
    lines = _lines(SHIPPED / f"{PRICES.name}.csv", "shipped", PRICES.columns)
    return tuple(dict.fromkeys(line.fields[0] for line in lines))


def load(connection: Connection[Any], folder: Path) -> dict[str, Changes]:
    """Load what changed in the lists since they were loaded last; gives the changes by table.

    All of it is one load, which the next build takes in; none where nothing changed. A row that the
    lists do not have any more stays, removed, so that a build sees it. Two loads at once wait for
    each other. In a transaction of its own, or in the caller's.

    Args:
        folder: where the operator's files are, if there are any.

    Raises:
        RunnerListError: lines of the operator's files are wrong; nothing is loaded.
    """
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(%s)", [RUNNERS_LOCK])
        faults: list[str] = []
        read = {each: _read(connection, each, folder, faults) for each in (PRICES, LABELS)}
        if faults:
            raise RunnerListError("\n".join(faults))
        load_id = f"runners-{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{secrets.token_hex(4)}"
        changes = {
            each.name: _write(connection, each, rows, load_id) for each, rows in read.items()
        }
        if any(changes.values()):
            connection.execute("insert into raw.direct_loads (load_id) values (%s)", [load_id])
    return changes


def loaded_rows(connection: Connection[Any], which: RunnerList) -> list[Row]:
    """The rows of a list as they were loaded last, those of the table that are not removed."""
    query = sql.SQL("select * from {} where not is_removed order by {}, {}").format(
        sql.Identifier("raw", which.name), sql.Identifier(which.order), _identifiers(which.key)
    )
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query).fetchall()


def _read(
    connection: Connection[Any], which: RunnerList, folder: Path, faults: list[str]
) -> dict[Key, Row]:
    """The shipped rows and, over them, the operator's, by key; adds a sentence for each fault."""
    rows: dict[Key, Row] = {}
    files: list[tuple[Source, Path]] = [("shipped", SHIPPED), ("operator", folder)]
    for source, place in files:
        path = place / f"{which.name}.csv"
        numbers: dict[Key, int] = {}
        try:
            for line in _lines(path, source, which.columns) if path.exists() else ():
                try:
                    row = _row(connection, which, line)
                    key = which.key_of(row)
                    if key in numbers:
                        raise ValueError(
                            f"line {numbers[key]} has the same {' and '.join(which.key)} already: "
                            "keep one of the two"
                        )
                except ValueError as error:
                    faults.append(line.fault(error))
                    continue
                rows[key], numbers[key] = row, line.number
        except RunnerListError as error:
            faults.append(str(error))
    return rows


def _lines(path: Path, source: Source, columns: tuple[str, ...]) -> Iterator[Line]:
    """The lines of a file below its first, which names the columns; empty ones are passed over.

    Raises:
        RunnerListError: the file cannot be read, or is no such list.
    """
    header = ",".join(columns)
    number, place = 1, 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            if [name.strip() for name in next(reader, [])] != list(columns):
                raise RunnerListError(f"{path}, line 1: the first line is {header}")
            for fields in reader:
                number = reader.line_num
                if "".join(fields).strip():
                    place += 1
                    yield Line(source, path, number, place, [field.strip() for field in fields])
    except OSError as error:
        raise RunnerListError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise RunnerListError(f"{path}: it is no text in UTF-8: save it as such") from error
    except csv.Error as error:
        raise RunnerListError(f"{path}, line {number + 1}: it is no CSV: {error}") from error


def _row(connection: Connection[Any], which: RunnerList, line: Line) -> Row:
    if len(line.fields) != len(which.columns):
        raise ValueError(
            f"it has {len(line.fields)} fields, not the {len(which.columns)} of "
            f"{','.join(which.columns)}"
        )
    if "\0" in "".join(line.fields):
        raise ValueError("it has a NUL character, which is no text")
    row = which.parse(line)
    if which is LABELS:
        _check_pattern(connection, row["label_pattern"])
    return row


def _check_pattern(connection: Connection[Any], pattern: str) -> None:
    """Ask the server, which is to match by it, for a pattern.

    Raises:
        ValueError: it is none.
    """
    try:
        with connection.transaction():
            connection.execute("select '' ~ %s", [pattern])
    except psycopg.errors.InvalidRegularExpression as error:
        reason = (error.diag.message_primary or "").removeprefix("invalid regular expression: ")
        raise ValueError(
            f"label_pattern is a regular expression of PostgreSQL's, such as ^my-runner$, not "
            f"{pattern!r} ({reason})"
        ) from error


def _write(
    connection: Connection[Any], which: RunnerList, rows: dict[Key, Row], load_id: str
) -> Changes:
    table = sql.Identifier("raw", which.name)
    columns = [*next(iter(rows.values())), "is_removed"]
    with connection.cursor(row_factory=dict_row) as cursor:
        query = sql.SQL("select {} from {}").format(_identifiers(columns), table)
        stored = {which.key_of(row): row for row in cursor.execute(query).fetchall()}
    there = {key for key, row in stored.items() if not row["is_removed"]}
    wanted = {key: {**row, "is_removed": False} for key, row in rows.items()}
    removed = {key: {**stored[key], "is_removed": True} for key in there - wanted.keys()}
    written = {key: row for key, row in wanted.items() if row != stored.get(key)} | removed
    connection.cursor().executemany(
        sql.SQL(
            """
            insert into {table} ({columns}, load_id) values ({values}, {load_id})
            on conflict ({key}) do update set ({columns}, load_id) = row ({excluded}, {load_id})
            """
        ).format(
            table=table,
            columns=_identifiers(columns),
            values=sql.SQL(", ").join(map(sql.Placeholder, columns)),
            key=_identifiers(which.key),
            excluded=sql.SQL(", ").join(sql.Identifier("excluded", name) for name in columns),
            load_id=sql.Placeholder("load_id"),
        ),
        [{**row, "load_id": load_id} for row in written.values()],
    )
    added = len(written.keys() - there)
    return Changes(added, len(written) - added - len(removed), len(removed))


def _runner_class(text: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", text) or text == "unknown":
        raise ValueError(
            "runner_class is lower-case letters, digits and underscores, such as linux_4_core, "
            f"not {text!r}"
        )
    return text


def _day(text: str) -> date:
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise ValueError(f"valid_from is a day as YYYY-MM-DD, not {text!r}")


def _usd(text: str) -> Decimal:
    # Of what Decimal reads this alone is a price.
    if re.fullmatch(r"\d+(\.\d+)?", text, re.ASCII):
        price = Decimal(text)
        if price < DEAREST and price == round(price, DECIMAL_PLACES):
            return price
    raise ValueError(
        f"usd_per_minute is a number from 0 with at most {DECIMAL_PLACES} decimals, such as 0.008, "
        f"not {text!r}"
    )


def _identifiers(names: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))
