"""Parameters of requests: pydantic models, from which the OpenAPI document comes, too.

A model's fields are the names that a query string may hold. One whose value is a tuple may be
repeated; whether commas separate several values as well says its type. Readers raise ValueError
with half a sentence ("must be …"), which becomes the detail of the error.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Annotated, Any, TypeVar, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, WithJsonSchema
from werkzeug.datastructures import Headers, MultiDict
from werkzeug.routing import BaseConverter

from api.errors import Kind, bad_request, parameter_error

Schema = Mapping[str, Any]
M = TypeVar("M", bound="Parameters")

GREATEST_ID = 2**63 - 1
LONGEST_TEXT = 255
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,6})?([Zz]|[+-]\d\d:\d\d)")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
# PostgreSQL holds no NUL, and no name has one of the others.
CONTROLS = r"\x00-\x1f\x7f-\x9f"
_CONTROL = re.compile(f"[{CONTROLS}]")


class Parameters(BaseModel):
    """What a query string or the headers of a request hold: nothing but the fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class Moment:
    """A bound in time: the instant, and the text as it was given."""

    instant: datetime
    text: str


def text(value: str) -> str:
    """Any text without control characters, up to a length that names have."""
    if not value or len(value) > LONGEST_TEXT or _CONTROL.search(value):
        raise ValueError(
            f"must be a text of 1 to {LONGEST_TEXT} characters, none of them a control character"
        )
    return value


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


def yes_or_no(value: str) -> bool:
    """`true` or `false`."""
    if value not in ("true", "false"):
        raise ValueError("must be true or false")
    return value == "true"


def whole_number(least: int, most: int) -> Callable[[str | int], int]:
    """A whole number within bounds, both allowed."""

    def read(value: str | int) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", str(value)) or not least <= int(value) <= most:
            raise ValueError(f"must be a whole number from {least} to {most}")
        return int(value)

    return read


def split(values: list[str]) -> list[str]:
    """What is repeated or separated by commas, each once."""
    return list(dict.fromkeys(part for value in values for part in value.split(",")))


def once(values: list[str]) -> list[str]:
    """What is repeated, each once."""
    return list(dict.fromkeys(values))


def split_names(values: list[str]) -> list[str]:
    """What is repeated or separated by commas, each once, and with commas as it is: names of
    branches and jobs may have some, and nothing tells `a,b` from `a` and `b`."""
    names: list[str] = []
    for value in values:
        if "," not in value or len(value) <= LONGEST_TEXT:
            names.append(value)
        names += filter(None, value.split(","))
    return list(dict.fromkeys(names))


def one_of(known: Sequence[str]) -> Callable[[list[str]], list[str]]:
    """What is repeated or separated by commas, each of what is known."""

    def read(values: list[str]) -> list[str]:
        names = split(values)
        if not all(name in known for name in names):
            raise ValueError(f"must be one of {', '.join(known)}")
        return names

    return read


def sort_by(known: Sequence[str]) -> Callable[[str], str]:
    """A term to sort by, with `-` in front where the greatest comes first."""

    def read(value: str) -> str:
        if value.removeprefix("-") not in known:
            raise ValueError(f"must be one of {', '.join(known)}, with or without `-` in front")
        return value

    return read


def sort_schema(known: Iterable[str]) -> WithJsonSchema:
    """What such a parameter may be."""
    return WithJsonSchema(
        {"type": "string", "enum": [f"{sign}{name}" for name in known for sign in ("", "-")]}
    )


def first_moment(value: str) -> Moment:
    """The beginning of a UTC day, or a moment: the first one in a range."""
    return _moment(value, lambda day: datetime.combine(day, time(), UTC))


def end_moment(value: str) -> Moment:
    """The end of a UTC day, or a moment: the first one after a range."""
    return _moment(value, day_after)


def day_after(day: date) -> datetime:
    """The first moment after a UTC day."""
    if day == date.max:
        return datetime.max.replace(tzinfo=UTC)
    return datetime.combine(day + timedelta(days=1), time(), UTC)


ID_SCHEMA: Schema = {
    "type": "integer",
    "format": "int64",
    "minimum": 1,
    "maximum": GREATEST_ID,
}
TEXT_SCHEMA: Schema = {
    "type": "string",
    "minLength": 1,
    "maxLength": LONGEST_TEXT,
    "pattern": f"^[^{CONTROLS}]+$",
}
# Of several that commas separate, each.
PART_SCHEMA: Schema = {**TEXT_SCHEMA, "pattern": f"^[^,{CONTROLS}]+$"}
FULL_NAME_SCHEMA: Schema = {**TEXT_SCHEMA, "pattern": f"^[^,/{CONTROLS}]+/[^,/{CONTROLS}]+$"}
_ASCII_SCHEMA: Schema = {**TEXT_SCHEMA, "pattern": "^[ -~]+$"}
MOMENT_SCHEMA: Schema = {
    "anyOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}]
}


Id = Annotated[int, BeforeValidator(identifier), WithJsonSchema(dict(ID_SCHEMA))]
Text = Annotated[str, BeforeValidator(text), WithJsonSchema(dict(TEXT_SCHEMA))]
Part = Annotated[str, BeforeValidator(text), WithJsonSchema(dict(PART_SCHEMA))]
AsciiText = Annotated[str, BeforeValidator(ascii_text), WithJsonSchema(dict(_ASCII_SCHEMA))]
YesOrNo = Annotated[bool, BeforeValidator(yes_or_no), WithJsonSchema({"type": "boolean"})]
FirstMoment = Annotated[Any, BeforeValidator(first_moment), WithJsonSchema(dict(MOMENT_SCHEMA))]
EndMoment = Annotated[Any, BeforeValidator(end_moment), WithJsonSchema(dict(MOMENT_SCHEMA))]
Ids = Annotated[tuple[Id, ...], BeforeValidator(split)]
Texts = Annotated[tuple[Part, ...], BeforeValidator(split)]
RepeatedTexts = Annotated[tuple[Text, ...], BeforeValidator(once)]
# That may hold a comma.
Names = Annotated[tuple[Text, ...], BeforeValidator(split_names)]


def _up_to(greatest: int) -> str:
    """A pattern of the whole numbers from 1 up to this one."""
    digits = str(greatest)
    shorter = f"[1-9][0-9]{{0,{len(digits) - 2}}}"
    smaller = [
        f"{digits[:place]}[{0 if place else 1}-{int(digit) - 1}][0-9]{{{len(digits) - place - 1}}}"
        for place, digit in enumerate(digits)
        if int(digit) > (0 if place else 1)
    ]
    return "|".join([shorter, *smaller, digits])


class IdConverter(BaseConverter):
    """An id in a path; what cannot be one is an address that does not exist.

    The pattern alone decides: what `to_python` refused would be an address of which Werkzeug says
    that another method may have it, where one may.
    """

    regex = _up_to(GREATEST_ID)

    def to_python(self, value: str) -> int:
        """The id."""
        return int(value)


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


@cache
def parameters_of(model: type[Parameters]) -> Mapping[str, bool]:
    """The names that a model knows, each with whether it may be repeated."""
    return {
        field.alias or name: get_origin(field.annotation) is tuple
        for name, field in model.model_fields.items()
    }


def read_query(model: type[M], query: MultiDict[str, str], *, is_lenient: bool = False) -> M:
    """Read a query string.

    Args:
        is_lenient: whether unknown parameters are ignored.

    Raises:
        Problem: 400, naming everything that is wrong with it at once.
    """
    known = parameters_of(model)
    errors = []
    if not is_lenient:
        allowed = f"known here: {', '.join(known)}" if known else "this route takes none"
        errors = [
            parameter_error(name, f"is unknown; {allowed}", Kind.UNKNOWN_PARAMETER)
            for name in query
            if name not in known
        ]
    given: dict[str, Any] = {}
    for name, is_repeated in known.items():
        texts = query.getlist(name)
        if is_repeated and texts:
            given[name] = texts
        elif len(texts) > 1:
            errors.append(parameter_error(name, "must be given once"))
        elif texts:
            given[name] = texts[0]
    return _validated(model, given, errors, "The query string cannot be used; see errors.")


def read_headers(model: type[M], headers: Headers) -> M:
    """Read the declared headers of a request; one that is not there is read as an empty text.

    Raises:
        Problem: 400, naming everything that is wrong with them at once.
    """
    given = {name: headers.get(name, "") for name in parameters_of(model)}
    return _validated(model, given, [], "The headers cannot be used; see errors.")


def read_object(model: type[M], given: Mapping[str, Any]) -> M:
    """Read the members of a JSON object.

    Raises:
        Problem: 400, naming everything that is wrong with them at once.
    """
    known = parameters_of(model)
    errors = [
        parameter_error(name, f"is unknown; known here: {', '.join(known)}", Kind.UNKNOWN_PARAMETER)
        for name in given
        if name not in known
    ]
    members = {name: value for name, value in given.items() if name in known}
    return _validated(model, members, errors, "The body cannot be used; see errors.")


def _validated(
    model: type[M], given: Mapping[str, Any], errors: list[dict[str, str]], detail: str
) -> M:
    try:
        values = model.model_validate(given)
    except ValidationError as failure:
        raise bad_request(detail, [*errors, *_errors_of(failure)]) from None
    if errors:
        raise bad_request(detail, errors)
    return values


def _errors_of(failure: ValidationError) -> list[dict[str, str]]:
    """One error for each parameter."""
    found: dict[str, dict[str, str]] = {}
    for error in failure.errors(include_url=False, include_input=False):
        name = str(error["loc"][0]) if error["loc"] else ""
        found.setdefault(name, parameter_error(name, _detail(error)))
    return list(found.values())


def _detail(error: Any) -> str:
    context = error.get("ctx", {})
    if error["type"] == "value_error":
        return str(context["error"])
    if error["type"] == "literal_error":
        return f"must be one of {context['expected'].replace(chr(39), '')}"
    return "is missing" if error["type"] == "missing" else error["msg"]
