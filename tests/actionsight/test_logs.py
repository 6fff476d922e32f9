"""Every line of the log says when, how grave and whose; none holds a secret."""

import io
import json
import logging
import sys
from collections.abc import Callable
from typing import Any

import pytest

from actionsight import logs
from actionsight.logs import redact, told_by

pytestmark = pytest.mark.unit

# What the form itself gives away, wherever it stands.
TOKENS = [
    "ghp_" + "a1B2" * 9,
    "gho_" + "a1B2" * 9,
    "ghs_" + "a1B2" * 9,
    "ghu_" + "a1B2" * 9,
    "github_pat_11ABCDEFG0" + "a1B2_" * 10,
    "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiIxIn0.c2lnbmF0dXJl-_x",
    "as_" + "aB-_" * 11,
]
# What only its place gives away, with that place.
PLACED = [
    ("Authorization: Bearer abc.def-ghi", "abc.def-ghi"),
    ("{'Authorization': 'token abcdef'}", "abcdef"),
    ('"authorization": "Basic YWJj"', "YWJj"),
    ("[(b'authorization', b'Bearer abc.def-ghi')]", "abc.def-ghi"),
    ("sent Bearer abc.def-ghi", "abc.def-ghi"),
    ("postgresql://someone:hunter2@host/name", "hunter2"),
    ("postgresql://someone:hun@ter2@host/name", "hun@ter2"),
    ("redis://:hunter2@host:6379/0", "hunter2"),
    ("host=db password=hunter2 dbname=name", "hunter2"),
    ("GET /login/github/authorized?code=c0de-1&state=st4te_2 HTTP/1.1", "c0de-1"),
    ("GET /login/github/authorized?code=c0de-1&state=st4te_2 HTTP/1.1", "st4te_2"),
    ("Cookie: session=s3ss10n-_x; csrf=t0ken", "s3ss10n-_x"),
    ("Cookie: session=s3ss10n-_x; csrf=t0ken", "t0ken"),
    ("Set-Cookie: __Host-session=s3ss10n-_x; Secure", "s3ss10n-_x"),
    ("Set-Cookie: sign-in-0123456789abcdef=br0wser; Path=/", "br0wser"),
    ("X-CSRF-Token: t0ken", "t0ken"),
    ("client_secret=hunter2&code_verifier=v3rifier", "hunter2"),
    ("client_secret=hunter2&code_verifier=v3rifier", "v3rifier"),
    ("-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nIBAAKC\n-----END RSA PRIVATE KEY-----", "IBAAKC"),
    ("-----BEGIN PRIVATE KEY-----\nMIIEow, and no end", "MIIEow"),
]
SECRETS = [(f"sent {token}, refused", token) for token in TOKENS] + PLACED


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Logs by a logger of its own; gives the members of the line."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(logs.formatter())
    logger = logging.Logger("api.test")
    logger.addHandler(handler)

    def write(*arguments: Any, **options: Any) -> Any:
        logger.warning(*arguments, **options)
        return json.loads(written.getvalue())

    return write


def test_a_line_is_one_object_with_its_time_grade_logger_and_message(
    log: Callable[..., Any],
) -> None:
    line = log("what\n%s happened", "really", extra={"repository_id": 7})
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "level": "warning",
        "logger": "api.test",
        "event": "what\nreally happened",
        "repository_id": 7,
    }


def test_a_person_at_a_terminal_reads_a_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    record = logging.LogRecord("api.test", logging.WARNING, "", 0, "to %s", ("x:y@z",), None)
    line = logs.formatter().format(record)
    assert "to x:y@z" in line
    assert "warning" in line and "api.test" in line
    with pytest.raises(ValueError, match="Expecting value"):
        json.loads(line)


def test_who_starts_a_process_reads_what_its_last_line_tells(log: Callable[..., Any]) -> None:
    assert told_by(json.dumps(log("the port %s is taken", 8000))) == "the port 8000 is taken"
    for line in ("Segmentation fault", '"a text"', "[1]", "{}", ""):
        assert told_by(line) == line


def test_of_a_fault_that_is_the_exception(log: Callable[..., Any]) -> None:
    try:
        raise RuntimeError("no such\nsetting")
    except RuntimeError:
        line = json.dumps(log("failed", exc_info=True))
    assert told_by(line) == "setting"


@pytest.mark.parametrize("token", TOKENS)
def test_what_stands_around_a_token_stays(token: str) -> None:
    for text in (f"sent {token}, refused", f"'{token}'", f"https://host/x?y={token}&z=1"):
        assert redact(text) == text.replace(token, "[redacted]")


@pytest.mark.parametrize(("text", "secret"), SECRETS)
def test_no_part_of_a_line_holds_a_secret(log: Callable[..., Any], text: str, secret: str) -> None:
    class Told:
        def __repr__(self) -> str:
            return f"<Told {text}>"

    try:
        raise RuntimeError(text)
    except RuntimeError:
        line = log(
            f"{text} %s %r",
            text,
            {"asked": text},
            exc_info=True,
            extra={"plain": text, "nested": {"deep": [text, (text,)]}, "object": Told()},
        )
    assert secret not in json.dumps(line, ensure_ascii=False).encode().decode("unicode_escape")
    assert "RuntimeError" in line["exception"]
    assert "[redacted]" in line["nested"]["deep"][1][0]


@pytest.mark.parametrize(
    "name", ["Authorization", "Cookie", "csrf_token", "client_secret", "database_password", "token"]
)
def test_what_is_called_a_secret_is_none_to_read(log: Callable[..., Any], name: str) -> None:
    line = log("asked", extra={"headers": {name: "hunter2"}, "token_id": 3})
    assert line["headers"] == {name: "[redacted]"}
    assert line["token_id"] == 3


@pytest.mark.parametrize(
    "text",
    [
        "as_of_a_moment_that_is_not_known",
        "https://host/a:b@c",
        "eyJust a word",
        "ghost_",
        "a token of the API, a session, a cookie, a password",
        "run 7: 3 jobs; basic auth",
    ],
)
def test_other_words_stay(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize("text", ["x://" + "a:" * 100_000, "-----BEGIN KEY " * 20_000])
def test_what_almost_holds_a_secret_is_read_once(text: str) -> None:
    """Where it was read again from each colon, the first took minutes."""
    assert redact(text) == text
