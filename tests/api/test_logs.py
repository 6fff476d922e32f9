"""The log of the API: every line says of which request it is."""

import json
import logging
import re
from typing import Any

import pytest
from flask import Flask

from api import logs
from tests.api.client import ValidatingClient, bearer
from tests.api.marts import Marts


@pytest.mark.integration
@pytest.mark.parametrize("given", ["req-1.a:b", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa-01"])
def test_an_id_that_was_sent_is_on_the_answer_and_on_the_lines(
    app: Flask, client: ValidatingClient, caplog: pytest.LogCaptureFixture, given: str
) -> None:
    @app.before_request
    def log() -> None:
        record = logging.LogRecord("api.test", logging.WARNING, "", 0, "what", None, None)
        logging.getLogger("api.test").warning("%s", logs.formatter().format(record))

    response = client.get("/healthz", headers={"X-Request-Id": given})
    assert response.headers["X-Request-Id"] == given
    (message,) = [each.getMessage() for each in caplog.records if each.name == "api.test"]
    assert json.loads(message)["request_id"] == given


@pytest.mark.integration
def test_a_request_without_a_usable_id_gets_one_whatever_its_answer(
    marts: Marts, client: ValidatingClient, token: str
) -> None:
    made = set()
    for path, status in (
        ("/healthz", 200),
        ("/stats", 401),
        ("/nothing", 404),
        ("/stats?x=1", 401),
    ):
        for given in ({}, {"X-Request-Id": "x" * 65}, {"X-Request-Id": "two words"}):
            response = client.get(path, headers=given)
            assert response.status_code == status
            made.add(response.headers["X-Request-Id"])
    assert len(made) == 12
    assert all(re.fullmatch(r"[0-9a-f]{32}", each) for each in made)
    first = client.get("/stats", headers=bearer(token))
    again = client.get("/stats", headers={**bearer(token), "If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304
    assert again.headers["X-Request-Id"] not in made


@pytest.mark.integration
def test_a_fault_is_one_record_with_the_id_and_without_the_secrets(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    secret = "ghp_" + "a1B2" * 9
    written: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.append(logs.formatter().format(record))

    @app.before_request
    def fail() -> Any:
        raise RuntimeError(f"asked with {secret}")

    handler = Handler()
    logging.getLogger("api.errors").addHandler(handler)
    try:
        response = app.test_client().get("/healthz", headers={"X-Request-Id": "req-7"})
    finally:
        logging.getLogger("api.errors").removeHandler(handler)
    assert response.status_code == 500
    (line,) = written
    fault = json.loads(line)
    assert (fault["level"], fault["request_id"]) == ("error", "req-7")
    assert "RuntimeError: asked with [redacted]" in fault["exception"]
