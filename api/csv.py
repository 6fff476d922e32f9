"""Rows as CSV (RFC 4180), for spreadsheets and tools that read nothing else.

The header has the names of the answer's members, whose last word is their unit (`_seconds`, `_usd`,
`_minutes`); a member of a record within has its name behind the record's. A list is its texts,
separated by semicolons, or JSON where it holds records. What is not known is empty.
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

# A spreadsheet takes a text that begins so for a formula, and texts here are what strangers wrote:
# branches, titles, names. An apostrophe in front says that it is none (OWASP, CSV injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def to_csv(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """The rows, with a header; nothing at all where there is none."""
    flat = [dict(_flatten(row)) for row in rows]
    # A record that one row does not have, another may.
    names = list(dict.fromkeys(name for row in flat for name in row))
    has_members = {name for name in names if any(each.startswith(f"{name}_") for each in names)}
    columns = [
        name
        for name in names
        if not (name in has_members and all(row.get(name) is None for row in flat))
    ]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", extrasaction="ignore")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in flat)
    return text.getvalue().encode()


def _flatten(row: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in row.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{name}_")
        else:
            yield prefix + name, value


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        is_flat = all(isinstance(each, str | int) for each in value)
        return _text(";".join(map(str, value)) if is_flat else _json(value))
    if isinstance(value, int | float):
        return value
    return _text(value if isinstance(value, str) else _json(value).strip('"'))


def _json(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_UTC_Z).decode()


def _text(value: str) -> str:
    return f"'{value}" if value.startswith(_FORMULA) else value
