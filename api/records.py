"""Records: what answers hold, as pydantic models, each a named component of the OpenAPI document.

They describe; nothing is validated on the way out, since a body is bytes that PostgreSQL's rows
become. Tests hold every answer against them. Answers may gain members at any time, so no record is
closed.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from functools import cache
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, create_model
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema

from actionsight.runners import shipped_classes
from api.errors import Kind
from api.parameters import GREATEST_ID

REF_TEMPLATE = "#/components/schemas/{model}"


class Record(BaseModel):
    """An object in an answer."""

    # Some of GitHub's words are Python's, too.
    model_config = ConfigDict(
        serialize_by_alias=True,
        json_schema_serialization_defaults_required=True,
        json_schema_extra=lambda schema: _tidy(schema),
    )


def _tidy(schema: dict[str, Any]) -> None:
    """Titles only repeat names; and what is left out of an answer has no value there."""
    schema.pop("title", None)
    for member in schema.get("properties", {}).values():
        member.pop("title", None)
        member.pop("default", None)


class Schemas(GenerateJsonSchema):
    """JSON Schema in which what may be null is of the type `[x, null]`."""

    def nullable_schema(self, schema: Any) -> JsonSchemaValue:
        """The same schema, or null."""
        inner = self.generate_inner(schema["schema"])
        if isinstance(inner.get("type"), str):
            nullable = {**inner, "type": [inner["type"], "null"]}
            if "enum" in inner:
                nullable["enum"] = [*inner["enum"], None]
            return nullable
        return self.get_union_of_schemas([inner, {"type": "null"}])


Id: TypeAlias = Annotated[
    int,
    WithJsonSchema({"type": "integer", "format": "int64", "minimum": 1, "maximum": GREATEST_ID}),
]
Count: TypeAlias = Annotated[
    int, WithJsonSchema({"type": "integer", "format": "int64", "minimum": 0})
]
Seconds: TypeAlias = Annotated[float, WithJsonSchema({"type": "number"})]
WholeSeconds: TypeAlias = Annotated[int, WithJsonSchema({"type": "integer", "format": "int64"})]
Rate: TypeAlias = Annotated[float, WithJsonSchema({"type": "number", "minimum": 0, "maximum": 1})]
Usd: TypeAlias = Annotated[float, WithJsonSchema({"type": "number"})]
Url: TypeAlias = Annotated[str, WithJsonSchema({"type": "string", "format": "uri"})]
Time: TypeAlias = datetime
Day: TypeAlias = date

Status: TypeAlias = Literal["requested", "queued", "pending", "waiting", "in_progress", "completed"]
Conclusion: TypeAlias = Literal[
    "success",
    "failure",
    "cancelled",
    "skipped",
    "neutral",
    "timed_out",
    "action_required",
    "stale",
    "startup_failure",
]

WorkflowState: TypeAlias = Literal[
    "active", "deleted", "disabled_fork", "disabled_inactivity", "disabled_manually"
]
WasteCause: TypeAlias = Literal["rerun", "superseded", "timed_out", "cancelled"]
RunnerClass: TypeAlias = Annotated[
    str,
    # The operator's price list can have others.
    WithJsonSchema(
        {"anyOf": [{"type": "string", "enum": [*shipped_classes(), "unknown"]}, {"type": "string"}]}
    ),
]

Filter: TypeAlias = Annotated[
    dict[str, Any],
    WithJsonSchema({"type": "object", "additionalProperties": True}),
    Field(description="The filter that was applied: what was given, as understood, in dates."),
]
Next: TypeAlias = Annotated[
    str | None, Field(description="Asks for the next page; null on the last one.")
]


class PartialRecord(Record):
    """An object of whose members an answer may have some alone."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=False)


class Since(Record):
    """A run that is named as the beginning of something."""

    run_id: Id
    run_number: Count | None
    run_attempt: Count
    created_at: Time
    head_sha: str | None
    display_title: str | None
    actor_login: str | None
    html_url: Url | None


ProblemType: TypeAlias = Annotated[
    str, WithJsonSchema({"type": "string", "enum": [kind.type for kind in Kind]})
]


class ParameterError(Record):
    """What is wrong with one parameter."""

    parameter: str
    detail: str
    type: ProblemType = Field(description="The kind of the error, as `type` of the problem.")


class Missing(Record):
    """What is not there yet, and what brings it."""

    name: str
    remedy: str


class Problem(PartialRecord):
    """Problem details (RFC 9457)."""

    type: ProblemType = Field(description="Its kind, an anchor of the documentation.")
    title: str
    status: int
    detail: str
    instance: str = Field("", description="Names this occurrence in the log.")
    errors: list[ParameterError] = Field([], description="What is wrong with which parameter.")
    missing: list[Missing] = Field([], description="What is not there yet, and what brings it.")


@cache
def list_of(item: type[BaseModel]) -> type[Record]:
    """The body of a list: rows, the token of the next page, the filter that was applied."""
    return create_model(
        f"{item.__name__}List",
        __base__=Record,
        data=(list[item], ...),  # type: ignore[valid-type]
        next=(Next, ...),
        filter=(Filter, ...),
    )


@cache
def one(item: type[BaseModel]) -> type[Record]:
    """The body of a single object, and the filter that was applied."""
    return create_model(
        f"{item.__name__}Answer", __base__=Record, data=(item, ...), filter=(Filter, ...)
    )


def components(models: Iterable[type[BaseModel]]) -> Mapping[str, Any]:
    """The JSON Schema of models and of all that they name, by name."""
    _, schemas = models_json_schema(
        [(model, "serialization") for model in models],
        ref_template=REF_TEMPLATE,
        schema_generator=Schemas,
    )
    definitions: Mapping[str, Any] = schemas["$defs"]
    return definitions


def reference(model: type[BaseModel]) -> Mapping[str, str]:
    """The schema of a model by its name."""
    return {"$ref": REF_TEMPLATE.format(model=model.__name__)}
