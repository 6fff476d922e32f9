"""Parameters of routes: declared once, for parsing and for the OpenAPI document alike."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal

from werkzeug.datastructures import Headers, MultiDict

from api.errors import bad_request, not_found

Schema = Mapping[str, Any]
Arguments = Mapping[str, Any]

GREATEST_ID = 2**63 - 1
LONGEST_TEXT = 255
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,6})?([Zz]|[+-]\d\d:\d\d)")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(frozen=True)
class Parameter:
    """One parameter: its name, what it means, how a text is read and what schema texts have.

    `read` raises ValueError with half a sentence ("must be …"). A parameter that takes `many`
    values may be repeated, and one that `splits` takes them separated by commas, too.
    """

    name: str
    description: str
    read: Callable[[str], Any]
    schema: Schema
    many: bool = False
    splits: bool = True
    default: Any = None
    place: Literal["query", "path", "header"] = "query"


@dataclass(frozen=True)
class Moment:
    """A bound in time: the instant, and the text as it was given."""

    instant: datetime
    text: str


def text(value: str) -> str:
    """Any text that PostgreSQL can hold, up to a length that names have."""
    if not value or len(value) > LONGEST_TEXT or not value.isprintable():
        raise ValueError(f"must be a text of 1 to {LONGEST_TEXT} printable characters")
    return value


TEXT_SCHEMA: Schema = {"type": "string", "minLength": 1, "maxLength": LONGEST_TEXT}


def ascii_text(value: str) -> str:
    """What a header can hold everywhere, up to a length that names have."""
    if not value or len(value) > LONGEST_TEXT or not (value.isascii() and value.isprintable()):
        raise ValueError(f"must be a text of 1 to {LONGEST_TEXT} printable ASCII characters")
    return value


def identifier(value: str) -> int:
    """One of GitHub's ids."""
    if not re.fullmatch(r"[1-9][0-9]{0,18}", value) or int(value) > GREATEST_ID:
        raise ValueError("must be an id: a whole number from 1")
    return int(value)


ID_SCHEMA: Schema = {"type": "integer", "minimum": 1, "maximum": GREATEST_ID}


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """A whole number within bounds, both allowed."""

    def read(value: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", value) or not least <= int(value) <= most:
            raise ValueError(f"must be a whole number from {least} to {most}")
        return int(value)

    return read


def choice(values: Sequence[str]) -> Callable[[str], str]:
    """One of some words."""

    def read(value: str) -> str:
        if value not in values:
            raise ValueError(f"must be one of {', '.join(values)}")
        return value

    return read


def first_moment(value: str) -> Moment:
    """The beginning of a UTC day, or a moment: the first one in a range."""
    return _moment(value, lambda day: datetime.combine(day, time(), UTC))


def end_moment(value: str) -> Moment:
    """The end of a UTC day, or a moment: the first one after a range."""
    return _moment(value, _day_after)


def _day_after(day: date) -> datetime:
    if day == date.max:
        return datetime.max.replace(tzinfo=UTC)
    return datetime.combine(day + timedelta(days=1), time(), UTC)


MOMENT_SCHEMA: Schema = {
    "anyOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}]
}


def _moment(value: str, instant_of: Callable[[date], datetime]) -> Moment:
    try:
        if _DAY.fullmatch(value):
            return Moment(instant_of(date.fromisoformat(value)), value)
        if _MOMENT.fullmatch(value):
            return Moment(datetime.fromisoformat(value.upper()).astimezone(UTC), value)
    except (ValueError, OverflowError):
        pass  # the shape is right, but there is no such day or time: the same answer
    raise ValueError(
        "must be a day (2026-01-31) or a time with its zone (2026-01-31T08:00:00Z; write + as %2B)"
    )


def read_query(
    query: MultiDict[str, str], parameters: Sequence[Parameter], *, is_lenient: bool = False
) -> dict[str, Any]:
    """Read a query string: a value per parameter, a tuple for one that takes many.

    Args:
        is_lenient: whether unknown parameters are ignored.

    Raises:
        Problem: 400, naming everything that is wrong with it at once.
    """
    known = {parameter.name: parameter for parameter in parameters if parameter.place == "query"}
    errors = []
    arguments: dict[str, Any] = {}
    for name in query:
        if name not in known and not is_lenient:
            allowed = f"known here: {', '.join(known)}" if known else "this route takes none"
            errors.append({"parameter": text_for_answer(name), "detail": f"is unknown; {allowed}"})
    for name, parameter in known.items():
        try:
            arguments[name] = _read(parameter, query.getlist(name))
        except ValueError as error:
            errors.append({"parameter": name, "detail": str(error)})
    if errors:
        raise bad_request("The query string cannot be used; see errors.", errors)
    return arguments


def read_path(texts: Mapping[str, str], parameters: Sequence[Parameter]) -> dict[str, Any]:
    """Read the parameters in the path; an id that cannot be is one that does not exist.

    Raises:
        Problem: 404.
    """
    arguments = {}
    for parameter in parameters:
        if parameter.place == "path":
            try:
                arguments[parameter.name] = parameter.read(texts[parameter.name])
            except ValueError:
                raise not_found("What this address names") from None
    return arguments


def read_headers(headers: Headers, parameters: Sequence[Parameter]) -> dict[str, Any]:
    """Read the declared headers of a request; one that is not there is read as an empty text.

    Raises:
        Problem: 400, naming everything that is wrong with them at once.
    """
    errors = []
    arguments = {}
    for parameter in parameters:
        if parameter.place == "header":
            try:
                arguments[parameter.name] = parameter.read(headers.get(parameter.name, ""))
            except ValueError as error:
                errors.append({"parameter": parameter.name, "detail": str(error)})
    if errors:
        raise bad_request("The headers cannot be used; see errors.", errors)
    return arguments


def text_for_answer(value: str) -> str:
    """A client's own text, cut so that an error stays short."""
    return value if len(value) <= 80 else value[:80] + "…"


def _read(parameter: Parameter, texts: list[str]) -> Any:
    if not parameter.many:
        if len(texts) > 1:
            raise ValueError("must be given once")
        return parameter.read(texts[0]) if texts else parameter.default
    if parameter.splits:
        texts = [part for value in texts for part in value.split(",")]
    return tuple(dict.fromkeys(parameter.read(value) for value in texts))
