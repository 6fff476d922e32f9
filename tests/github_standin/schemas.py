"""GitHub's published schemas, as JSON Schema validators by path."""

import json
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator, FormatChecker

SUBSET = Path(__file__).parents[1] / "data" / "github-openapi" / "rest-subset.json"

formats = FormatChecker(())


@formats.checks("date-time", raises=ValueError)
def _is_moment(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


@formats.checks("uri", raises=ValueError)
def _is_uri(value: object) -> bool:
    return not isinstance(value, str) or bool(urlsplit(value).scheme)


@cache
def document() -> Any:
    """The subset, with `nullable` turned into what JSON Schema calls it."""
    return _translated(json.loads(SUBSET.read_text()))


@cache
def validator(path: str) -> Draft202012Validator:
    """For the body of a successful GET of *path*, a template such as `/repos/{owner}/{repo}`."""
    got = document()["paths"][path]["get"]["responses"]["200"]
    return _validator(got["content"]["application/json"]["schema"])


@cache
def error_validator() -> Draft202012Validator:
    """For the body of an error."""
    return _validator({"$ref": "#/components/schemas/basic-error"})


def _validator(schema: Any) -> Draft202012Validator:
    whole = {"components": document()["components"], **schema}
    return Draft202012Validator(whole, format_checker=formats)


def _translated(node: Any) -> Any:
    if isinstance(node, list):
        return [_translated(item) for item in node]
    if not isinstance(node, dict):
        return node
    schema = {key: _translated(value) for key, value in node.items() if key != "nullable"}
    if node.get("nullable") is not True:
        return schema
    return {"anyOf": [schema, {"type": "null"}]}
