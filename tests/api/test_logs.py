"""The log: every line says when, how grave and of which request; none holds a secret."""

import logging
import re
from typing import Any

import pytest
from flask import Flask

from api.logs import LineFormatter, redact
from tests.api.client import ValidatingClient, bearer
from tests.api.marts import Marts

LINE = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (INFO|WARNING|ERROR) [\w.]+ \[(\S+)\] .*", re.DOTALL
)


@pytest.mark.unit
@pytest.mark.parametrize(
    "secret",
    [
        "ghp_" + "a1B2" * 9,
        "ghs_" + "a1B2" * 9,
        "ghu_" + "a1B2" * 9,
        "github_pat_11ABCDEFG0" + "a1B2_" * 10,
        "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiIxIn0.c2lnbmF0dXJl-_x",
        "as_" + "aB-_" * 11,
    ],
)
def test_what_has_the_form_of_a_token_is_not_written(secret: str) -> None:
    for text in (f"sent {secret}, refused", f"'{secret}'", f"https://host/x?token={secret}&y=1"):
        written = redact(text)
        assert secret not in written
        assert "[redacted]" in written
        assert written.startswith(text.split(secret)[0])


@pytest.mark.unit
@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Authorization: Bearer abc.def-ghi", "abc.def-ghi"),
        ("{'Authorization': 'token abcdef'}", "abcdef"),
        ('"authorization": "Basic YWJj"', "YWJj"),
        ("postgresql://someone:hunter2@host/name", "hunter2"),
        ("redis://:hunter2@host:6379/0", "hunter2"),
    ],
)
def test_credentials_are_not_written(text: str, secret: str) -> None:
    assert secret not in redact(text)


@pytest.mark.unit
@pytest.mark.parametrize(
    "text", ["as_of_a_moment_that_is_not_known", "https://host/a:b@c", "eyJust a word", "ghost_"]
)
def test_other_words_stay(text: str) -> None:
    assert redact(text) == text


@pytest.mark.integration
@pytest.mark.parametrize("given", ["req-1.a:b", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa-01"])
def test_an_id_that_was_sent_is_on_the_answer_and_on_the_lines(
    app: Flask, client: ValidatingClient, caplog: pytest.LogCaptureFixture, given: str
) -> None:
    @app.before_request
    def log() -> None:
        logging.getLogger("api.test").warning("%s", LineFormatter().format(_record()))

    response = client.get("/healthz", headers={"X-Request-Id": given})
    assert response.headers["X-Request-Id"] == given
    (message,) = [each.getMessage() for each in caplog.records if each.name == "api.test"]
    match = LINE.fullmatch(message)
    assert match and match[2] == given


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
            written.append(LineFormatter().format(record))

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
    match = LINE.fullmatch(line)
    assert match and match.groups() == ("ERROR", "req-7")
    assert "RuntimeError: asked with [redacted]" in line


def _record() -> logging.LogRecord:
    return logging.LogRecord("api.test", logging.WARNING, "", 0, "what happened", None, None)
