"""A test client that holds every answer against the OpenAPI document."""

import json
from collections.abc import Generator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from jsonschema_rs import Draft202012Validator
from werkzeug.exceptions import HTTPException
from werkzeug.test import TestResponse

from actionsight.settings import Settings
from api import openapi
from api.endpoints import Endpoint
from api.responses import CSV_SUFFIX
from tests.support.installation import application


class ValidatingClient(FlaskClient):
    """Fails a test when an answer is not what the document says."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        response = super().open(*args, **kwargs)
        validate(self.application, response)
        return response

    def answer(self, path: str, token: str) -> Any:
        """The body of an answer that must be a 200."""
        response = self.get(path, headers=bearer(token))
        assert response.status_code == 200, response.text
        return response.json


@contextmanager
def app_of(settings: Settings) -> Generator[Flask]:
    """An application whose answers are held against its document, until the context ends."""
    with application(settings) as app:
        app.test_client_class = ValidatingClient
        yield app


@contextmanager
def client_of(settings: Settings) -> Generator[ValidatingClient]:
    """A client of an application of its own."""
    with app_of(settings) as app:
        yield make_client(app)


def make_client(app: Flask) -> ValidatingClient:
    """A client of an application that `app_of` gave."""
    client = app.test_client()
    assert isinstance(client, ValidatingClient)
    return client


def bearer(token: str) -> dict[str, str]:
    """The header that opens the API."""
    return {"Authorization": f"Bearer {token}"}


def validate(app: Flask, response: TestResponse) -> None:
    """Raise ValidationError if the body, or AssertionError if its type, is not declared.

    What no route answers (404 and 405 of the routing, 429) must be a problem.
    """
    document = _document(app)
    declared = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    try:
        rule, _ = app.url_map.bind("localhost").match(
            response.request.path, method=response.request.method, return_rule=True
        )
    except HTTPException:
        assert response.status_code in (404, 405, 429)
    else:
        method = response.request.method.lower()
        path = openapi.path_of(rule).removesuffix(CSV_SUFFIX)
        operation = document.paths[path][method]
        declared = operation["responses"][str(response.status_code)]["content"]
        if not declared:
            assert response.data == b""
            return
    assert response.mimetype in declared
    body = response.json if response.is_json else response.text
    document.validator(declared[response.mimetype]["schema"]).validate(body)


class _Document:
    """The OpenAPI document of an application's routes, and what its schemas were compiled to."""

    def __init__(self, app: Flask) -> None:
        document = openapi.build(app)
        self.paths = document["paths"]
        self._components = document["components"]
        self._validators: dict[str, Draft202012Validator] = {}

    def validator(self, schema: dict[str, Any]) -> Draft202012Validator:
        key = json.dumps(schema)
        if key not in self._validators:
            whole = {**schema, "components": self._components}
            self._validators[key] = Draft202012Validator(whole, validate_formats=True)
        return self._validators[key]


@lru_cache(maxsize=2)
def _document(app: Flask) -> _Document:
    """The document of these routes, with the first settings that they had: to make it takes as
    long as a hundred answers, and none is held against what depends on settings."""
    routes = tuple((rule.rule, view) for rule, view in openapi.routes(app))
    if routes not in _documents:
        _documents[routes] = _Document(app)
    return _documents[routes]


_documents: dict[tuple[tuple[str, Endpoint], ...], _Document] = {}
