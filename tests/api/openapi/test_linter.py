"""A linter of OpenAPI documents has nothing to say of ours."""

import pytest

from tests.api.openapi.conftest import Tool

pytestmark = pytest.mark.integration


def test_the_document_keeps_the_rules(tool: Tool) -> None:
    tool("@redocly/cli/bin/cli.js", "lint", "openapi.json", "--format", "stylish")
