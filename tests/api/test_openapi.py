"""The OpenAPI document and docs/api.md are about the routes that there are."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from jsonschema import Draft202012Validator

from api import documentation
from api.errors import Kind
from tests.api.client import ValidatingClient

pytestmark = pytest.mark.integration

DOCUMENTATION = Path(__file__).parents[2] / "docs/api.md"


@pytest.fixture
def document(client: ValidatingClient) -> Any:
    response = client.get("/openapi.json")
    assert response.status_code == 200
    return response.json


def operations(document: Any) -> list[tuple[str, str, Any]]:
    return [
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def test_every_route_is_in_the_document(app: Flask, document: Any) -> None:
    expected = {
        re.sub(r"<(?:\w+:)?(.*)>", r"{\1}", rule.rule)
        for rule in app.url_map.iter_rules()
        if not rule.rule.endswith(".csv")
    }
    assert set(document["paths"]) == expected


def test_every_schema_is_a_json_schema(document: Any) -> None:
    assert document["openapi"] == "3.1.0"
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    for _, _, operation in operations(document):
        for parameter in operation["parameters"]:
            Draft202012Validator.check_schema(parameter["schema"])
        for response in operation["responses"].values():
            for content in response["content"].values():
                Draft202012Validator.check_schema(content["schema"])


def test_every_parameter_in_a_path_is_declared(document: Any) -> None:
    for _, path, operation in operations(document):
        declared = {p["name"] for p in operation["parameters"] if p["in"] == "path"}
        assert declared == set(re.findall(r"{(\w+)}", path))


def test_operations_are_told_apart_and_say_who_may_ask(document: Any) -> None:
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(set(names)) == len(names)
    security: dict[str, list[Any]] = {
        "/": [],
        "/app": [],
        "/app/{view}": [],
        "/app/assets/{name}": [],
        "/installation": [],
        "/docs": [],
        "/docs/swagger-ui.css": [],
        "/docs/swagger-ui.js": [],
        "/healthz": [],
        "/readyz": [],
        "/metrics": [{}, {"token": []}, {"session": []}],
        "/openapi.json": [],
        "/webhooks/github": [{"signature": []}],
        "/login": [],
        "/login/github/authorized": [],
        "/logout": [{"session": []}],
        "/me": [{"session": []}],
    }
    for _, path, operation in operations(document):
        assert operation["security"] == security.get(path, [{"token": []}, {"session": []}])
        assert ("401" in operation["responses"]) is (operation["security"] != [])


def test_the_documentation_names_every_route_parameter_and_term(document: Any) -> None:
    text = (DOCUMENTATION.parent / "api-reference.md").read_text(encoding="utf-8")
    assert text == documentation.render(document), "python -m api.documentation reference"
    for method, path, operation in operations(document):
        assert f"`{method.upper()} {path}`" in text
        for parameter in operation["parameters"]:
            assert parameter["description"], (path, parameter["name"])


def test_every_kind_of_problem_has_its_place_in_the_documentation() -> None:
    headings = re.findall("^#### (.*)$", DOCUMENTATION.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(headings) == sorted(kind.value for kind in Kind)


def test_the_document_names_every_kind_of_problem(document: Any) -> None:
    problem = document["components"]["schemas"]["Problem"]["properties"]["type"]
    assert problem["enum"] == [kind.type for kind in Kind]


def test_a_sign_in_declares_its_form_which_may_be_left_out(document: Any) -> None:
    body = document["paths"]["/login"]["post"]["requestBody"]
    assert not body["required"]
    [(media_type, content)] = body["content"].items()
    assert media_type == "application/x-www-form-urlencoded"
    assert list(content["schema"]["properties"]) == ["next"]


def test_every_answer_as_json_may_be_asked_for_in_a_form_that_there_is_not(
    client: ValidatingClient, document: Any
) -> None:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            successes = [r for s, r in operation["responses"].items() if s[0] == "2"]
            is_json = any("application/json" in each["content"] for each in successes)
            is_negotiated = is_json and path != "/webhooks/github"
            assert ("406" in operation["responses"]) is is_negotiated, (method, path)
    # Holds itself against the document.
    assert client.get("/healthz", headers={"Accept": "image/png"}).status_code == 406


def test_the_document_is_to_be_had_without_a_server(document: Any) -> None:
    made = subprocess.run(
        [sys.executable, "-m", "api.documentation", "openapi"], capture_output=True, check=True
    )
    assert json.loads(made.stdout)["paths"] == document["paths"]


def test_every_answer_has_an_example_of_its_kind(document: Any) -> None:
    shared = {"components": document["components"]}
    for method, path, operation in operations(document):
        for status, response in operation["responses"].items():
            content = response["content"].get("application/json")
            if content is None or path == "/openapi.json":
                continue
            assert "example" in content, (method, path, status)
            schema = {**content["schema"], **shared}
            faults = [*Draft202012Validator(schema).iter_errors(content["example"])]
            assert not faults, (method, path, faults[0].message)
            rows = content["example"].get("data")
            assert rows or rows is None, (method, path)
