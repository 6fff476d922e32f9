"""JSON Schema of answers: small builders, so that each answer reads like a table."""

from collections.abc import Mapping
from typing import Any

from api.pagination import NEXT_SCHEMA
from api.parameters import ID_SCHEMA, Schema


def described(schema: Schema, description: str) -> Schema:
    """The same schema with a description."""
    return {**schema, "description": description}


def nullable(schema: Schema) -> Schema:
    """The same schema, or null."""
    return {**schema, "type": [schema["type"], "null"]}


def record(properties: Mapping[str, Schema]) -> Schema:
    """An object with exactly these members."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def list_of(item: Schema) -> Schema:
    """The body of a list: rows, the token of the next page, the filter that was applied."""
    return record({"data": {"type": "array", "items": item}, "next": NEXT_SCHEMA, "filter": FILTER})


def one(item: Schema) -> Schema:
    """The body of a single object, and the filter that was applied."""
    return record({"data": item, "filter": FILTER})


TEXT: Schema = {"type": "string"}
ID: Schema = ID_SCHEMA
COUNT: Schema = {"type": "integer", "minimum": 0}
BOOLEAN: Schema = {"type": "boolean"}
TIME: Schema = {"type": "string", "format": "date-time"}
DAY: Schema = {"type": "string", "format": "date"}
URL: Schema = {"type": "string", "format": "uri"}
FILTER: Schema = {
    "type": "object",
    "description": "The filter that was applied: the parameters that were given, as understood.",
}

PROBLEM: Mapping[str, Any] = {
    "type": "object",
    "description": "Problem details (RFC 9457).",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string", "description": "Names this occurrence in the log."},
        "errors": {
            "type": "array",
            "items": record({"parameter": TEXT, "detail": TEXT}),
            "description": "What is wrong with which parameter.",
        },
        "missing": {
            "type": "array",
            "items": record({"name": TEXT, "remedy": TEXT}),
            "description": "What is not there yet, and what brings it.",
        },
    },
    "required": ["type", "title", "status", "detail"],
    "additionalProperties": False,
}
