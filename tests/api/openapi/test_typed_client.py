"""A client of a frontend team: types made of the document, and a page that uses every route."""

import re
from typing import Any

import pytest

from tests.api.openapi.conftest import FOLDER, Tool

pytestmark = pytest.mark.integration


def test_the_page_uses_every_route(document: Any) -> None:
    page = (FOLDER / "every_route.ts").read_text(encoding="utf-8")
    calls = re.findall(r'\.([A-Z]+)\("([^"]+)"', page)
    assert {(method.lower(), path) for method, path in calls} == {
        (method, path) for path, methods in document["paths"].items() for method in methods
    }


def test_the_page_compiles_with_the_types_of_the_document(tool: Tool) -> None:
    tool("openapi-typescript/bin/cli.js", "openapi.json", "--output", "schema.d.ts")
    tool("typescript/bin/tsc", "--project", ".")
