"""GitHub's published schemas, as JSON Schema validators by path, or by event and action."""

import json
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jsonschema_rs import Draft202012Validator

FOLDER = Path(__file__).parents[1] / "data" / "github-openapi"


def _is_moment(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _is_uri(text: str) -> bool:
    return bool(urlsplit(text).scheme)


@cache
def document() -> Any:
    """The subset, with `nullable` turned into what JSON Schema calls it."""
    return _translated(json.loads((FOLDER / "rest-subset.json").read_text()))


@cache
def webhooks_document() -> Any:
    """The subset for webhooks, which is JSON Schema as it stands."""
    return json.loads((FOLDER / "webhooks-subset.json").read_text())


@cache
def validator(path: str, method: str = "get") -> Draft202012Validator:
    """For the body of a success at *path*, a template such as `/repos/{owner}/{repo}`."""
    [got] = document()["paths"][path][method]["responses"].values()
    return _validator(got["content"]["application/json"]["schema"])


@cache
def payload_validator(event: str, action: str | None) -> Draft202012Validator:
    """For the payload of a webhook."""
    words = event if action is None else f"{event}_{action}"
    posted = webhooks_document()["webhooks"][words.replace("_", "-")]["post"]["requestBody"]
    return _validator(posted["content"]["application/json"]["schema"], webhooks_document())


@cache
def error_validator() -> Draft202012Validator:
    """For the body of an error."""
    return _validator({"$ref": "#/components/schemas/basic-error"})


def _validator(schema: Any, within: Any = None) -> Draft202012Validator:
    whole = {"components": (within or document())["components"], **schema}
    return Draft202012Validator(
        whole, validate_formats=True, formats={"date-time": _is_moment, "uri": _is_uri}
    )


def _translated(node: Any) -> Any:
    if isinstance(node, list):
        return [_translated(item) for item in node]
    if not isinstance(node, dict):
        return node
    schema = {key: _translated(value) for key, value in node.items() if key != "nullable"}
    if node.get("nullable") is not True:
        return schema
    return {"anyOf": [schema, {"type": "null"}]}
