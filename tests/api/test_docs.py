"""GET /docs works without a network, and the document behind it is a valid one."""

import re
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.api.client import ValidatingClient

pytestmark = pytest.mark.integration


def test_the_page_names_no_other_host_and_what_it_names_is_there(client: ValidatingClient) -> None:
    page = client.get("/docs")
    assert page.status_code == 200
    named = re.findall(r'(?:src|href)="([^"]*)"', page.text)
    assert named and all(address.startswith("/docs/") for address in named)
    for address in named:
        file = client.get(address)
        assert file.status_code == 200 and len(file.data) > 10_000
    assert "http" not in page.text.replace("https://json-schema.org", "")
    policy = page.headers["Content-Security-Policy"]
    [nonce] = re.findall("nonce-([^']*)'", policy)
    assert f'nonce="{nonce}"' in page.text
    assert "connect-src 'self'" in policy and "default-src 'none'" in policy


def test_the_document_is_valid_openapi(client: ValidatingClient) -> None:
    document: Any = client.get("/openapi.json").json
    assert [str(error) for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


def test_every_answer_and_id_has_what_typed_clients_need(client: ValidatingClient) -> None:
    document: Any = client.get("/openapi.json").json
    tags = {tag["name"] for tag in document["tags"]}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert set(operation["tags"]) <= tags
            assert re.match(r"(get|list|post|create|delete)_", operation["operationId"]), path
            for status, response in operation["responses"].items():
                for media_type, content in response["content"].items():
                    if "json" in media_type and path != "/openapi.json":
                        assert "$ref" in content["schema"], (method, path, status)
    for name, schema in document["components"]["schemas"].items():
        for member, described in schema.get("properties", {}).items():
            if member.endswith("_id") and "integer" in str(described.get("type")):
                assert described["format"] == "int64", (name, member)
