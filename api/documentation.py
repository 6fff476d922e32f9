"""What describes the API, made of the code, without a server.

python -m api.documentation openapi       the OpenAPI document (`actionsight openapi`)
python -m api.documentation reference     docs/api-reference.md
python -m api.documentation examples URL  api/examples.json, as the API there answers now; it reads
                                          a token from the environment (TOKEN)
"""

import logging
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import orjson
import requests

from actionsight.settings import load
from api import openapi
from api.app import create_app

_HEAD = """# Reference of the API

Made of the code by `python -m api.documentation reference`; [the guide](api.md) explains it.
`GET /openapi.json`, or `actionsight openapi`, has the same for machines, with every record.
"""


def document() -> dict[str, Any]:
    """The OpenAPI document of this version, without a database."""
    logging.disable()  # of services that this does not need
    app = create_app(replace(load(environ={}), database_url="postgresql:///nowhere"))
    with app.app_context():
        return openapi.build(app)


def render(document: dict[str, Any]) -> str:
    """The page."""
    parts = [_HEAD]
    for tag in document["tags"]:
        parts.append(f"## {tag['name'].capitalize()}\n\n{tag['description']}\n")
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                if tag["name"] in operation["tags"]:
                    parts.append("\n".join(_operation(method, path, operation)))
    parts.append("\n".join(_terms(document)))
    return "\n".join(parts)


def _operation(method: str, path: str, operation: dict[str, Any]) -> Iterator[str]:
    yield f"### `{method.upper()} {path}`\n"
    yield operation["summary"] + (
        f" {_line(operation['description'])}" if operation["description"] else ""
    )
    yield ""
    if operation["parameters"]:
        yield "| parameter | means |\n|---|---|"
        for parameter in operation["parameters"]:
            yield f"| `{parameter['name']}` | {_line(parameter['description'])} |"
        yield ""


def _terms(document: dict[str, Any]) -> Iterator[str]:
    yield "## Terms of the statistics\n"
    yield "| term | means |\n|---|---|"
    for name, schema in document["components"]["schemas"]["Statistics"]["properties"].items():
        yield f"| `{name}` | {_line(schema['description'])} |"
    yield ""


def ask_examples(url: str, token: str) -> dict[str, Any]:
    """The examples of `api.openapi`, each asked again of an API that shows the demonstration. Long
    lists are cut; those without a path are of what it does not have, and stay."""
    asked = {}
    for name, example in openapi.examples().items():
        asked[name] = dict(example)
        if path := example.get("path"):
            response = requests.get(
                url + path, headers={"Authorization": f"Bearer {token}"}, timeout=30
            )
            response.raise_for_status()
            asked[name]["answer"] = _shortened(response.json())
    return asked


def _shortened(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _shortened(member) for name, member in value.items()}
    return [_shortened(each) for each in value[:2]] if isinstance(value, list) else value


def _line(text: str) -> str:
    """A text within a table."""
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    if sys.argv[1:] == ["openapi"]:
        sys.stdout.buffer.write(orjson.dumps(document(), option=orjson.OPT_INDENT_2) + b"\n")
    elif sys.argv[1:] == ["reference"]:
        sys.stdout.write(render(document()))
    elif sys.argv[1:2] == ["examples"] and len(sys.argv) == 3:
        made = ask_examples(sys.argv[2].rstrip("/"), os.environ["TOKEN"])
        sys.stdout.buffer.write(orjson.dumps(made, option=orjson.OPT_INDENT_2) + b"\n")
    else:
        sys.exit(__doc__)
