"""What the receiver refuses, why, and that nothing of it is buffered."""

import hashlib
import hmac
import io
from dataclasses import replace
from typing import Any

import pytest
from werkzeug.test import TestResponse

from actionsight.settings import Settings
from api.webhooks.receiver import LARGEST_BODY_BYTES
from tests.api.client import ValidatingClient, app_of, client_of, make_client
from tests.api.webhooks.counted import Counted, counts_of
from tests.api.webhooks.deliveries import (
    BODY,
    PATH,
    SECRET,
    buffered,
    headers,
    signature,
)
from tests.support.ports import free_port

pytestmark = pytest.mark.integration


SHA1 = hmac.new(SECRET.encode(), BODY, hashlib.sha1).hexdigest()
REFUSALS: list[tuple[dict[str, str | None], int, str, str]] = [
    ({"X_Hub_Signature_256": None}, 401, "signature_missing", "X-Hub-Signature-256"),
    ({"X_Hub_Signature_256": ""}, 401, "signature_missing", "X-Hub-Signature-256"),
    ({"X_Hub_Signature_256": signature(BODY + b" ")}, 401, "signature_wrong", "wrong"),
    ({"X_Hub_Signature_256": signature(BODY)[7:]}, 401, "signature_wrong", "wrong"),
    ({"X_Hub_Signature_256": signature(BODY)[:-1]}, 401, "signature_wrong", "wrong"),
    ({"X_Hub_Signature_256": signature(BODY) + "0"}, 401, "signature_wrong", "wrong"),
    ({"X_Hub_Signature_256": signature(BODY).upper()}, 401, "signature_wrong", "wrong"),
    ({"X_Hub_Signature_256": f"sha1={SHA1}"}, 401, "signature_wrong", "wrong"),
    ({"X_Hub_Signature_256": "sha256=\xe9\xff"}, 401, "signature_wrong", "wrong"),
    ({"Content_Type": None}, 415, "content_type_wrong", "application/json"),
    ({"Content_Type": "text/plain"}, 415, "content_type_wrong", "application/json"),
    ({"Content_Type": "multipart/form-data; boundary=x"}, 415, "content_type_wrong", "json"),
    ({"X_GitHub_Event": None}, 400, "headers_unusable", "X-GitHub-Event"),
    ({"X_GitHub_Event": ""}, 400, "headers_unusable", "X-GitHub-Event"),
    ({"X_GitHub_Event": "x" * 256}, 400, "headers_unusable", "X-GitHub-Event"),
    ({"X_GitHub_Event": "caf\xe9"}, 400, "headers_unusable", "X-GitHub-Event"),
    ({"X_GitHub_Event": "a\tb"}, 400, "headers_unusable", "X-GitHub-Event"),
    ({"X_GitHub_Delivery": None}, 400, "headers_unusable", "X-GitHub-Delivery"),
    ({"X_GitHub_Delivery": "\xa0"}, 400, "headers_unusable", "X-GitHub-Delivery"),
]


@pytest.mark.parametrize(("changed", "status", "reason", "detail"), REFUSALS)
def test_what_is_not_signed_or_not_named_is_refused_and_leaves_nothing(
    client: ValidatingClient,
    counted: Counted,
    redis_url: str,
    changed: dict[str, str | None],
    status: int,
    reason: str,
    detail: str,
) -> None:
    response = client.post(PATH, data=BODY, headers=headers(BODY, **changed))
    assert response.status_code == status
    assert detail in response.text
    assert counted()["refused"] == {reason: 1}
    assert counted()["accepted"] == {}
    assert buffered(redis_url) == []


def test_all_headers_that_are_unusable_are_named_at_once(client: ValidatingClient) -> None:
    sent = headers(BODY, X_GitHub_Event=None, X_GitHub_Delivery=None)
    body: Any = client.post(PATH, data=BODY, headers=sent).json
    assert [e["parameter"] for e in body["errors"]] == ["X-GitHub-Event", "X-GitHub-Delivery"]


@pytest.mark.parametrize(
    ("changed", "status"),
    [case[:2] for case in REFUSALS if case[0] != {"X_Hub_Signature_256": signature(BODY + b" ")}],
)
def test_what_the_headers_tell_is_refused_before_the_body_is_read(
    client: ValidatingClient, changed: dict[str, str | None], status: int
) -> None:
    sent = {**headers(BODY, **changed), "Content-Length": str(len(BODY))}
    response = client.post(PATH, input_stream=_Unreadable(BODY), headers=sent)
    assert response.status_code == status


def test_a_wrong_signature_tells_nothing_of_the_right_one(client: ValidatingClient) -> None:
    sent = headers(BODY, X_Hub_Signature_256="sha256=" + "0" * 64)
    response = client.post(PATH, data=BODY, headers=sent)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "X-Hub-Signature-256"
    assert signature(BODY) not in response.text


def deliver(
    client: ValidatingClient, stream: io.BytesIO, length: str, **environ: Any
) -> TestResponse:
    """A delivery whose Content-Length says something else than its body, which is signed."""
    return client.post(
        PATH,
        input_stream=stream,
        headers=headers(stream.getvalue()),
        environ_overrides={"CONTENT_LENGTH": length, **environ},
    )


class _Unreadable(io.BytesIO):
    """A body that must not be read."""

    def read(self, *_: Any) -> bytes:
        raise AssertionError("the body was read")


@pytest.mark.parametrize(
    ("length", "status", "reason"),
    [
        ("", 411, "length_missing"),
        ("many", 411, "length_missing"),
        (f"{LARGEST_BODY_BYTES + 1}", 413, "too_large"),
        (f"{10**30}", 413, "too_large"),
    ],
)
def test_a_length_that_is_missing_or_too_large_is_refused_before_reading(
    client: ValidatingClient,
    counted: Counted,
    redis_url: str,
    length: str,
    status: int,
    reason: str,
) -> None:
    response = deliver(client, _Unreadable(BODY), length)
    assert response.status_code == status
    assert counted()["refused"] == {reason: 1}
    assert buffered(redis_url) == []


@pytest.mark.parametrize("is_ended_by_server", [False, True])
@pytest.mark.parametrize("missing", [1, 2, len(BODY)])
def test_a_body_that_is_shorter_than_promised_is_refused(
    client: ValidatingClient, redis_url: str, missing: int, is_ended_by_server: bool
) -> None:
    """Also where the part that came is signed: a cut body must not pass for a whole one."""
    ended = {"wsgi.input_terminated": True} if is_ended_by_server else {}
    response = deliver(client, io.BytesIO(BODY[:-missing]), str(len(BODY)), **ended)
    assert (response.status_code, buffered(redis_url)) == (400, [])


def test_a_body_that_is_longer_than_promised_is_refused(
    client: ValidatingClient, counted: Counted, redis_url: str
) -> None:
    stream = io.BytesIO(BODY + b"more")
    response = deliver(client, stream, str(len(BODY)), **{"wsgi.input_terminated": True})
    assert (response.status_code, buffered(redis_url)) == (400, [])
    assert counted()["refused"] == {"length_wrong": 1}


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_only_post_is_known(client: ValidatingClient, redis_url: str, method: str) -> None:
    response = client.open(PATH, method=method, data=BODY, headers=headers(BODY))
    assert (response.status_code, response.headers["Allow"]) == (405, "POST")
    assert buffered(redis_url) == []


@pytest.mark.parametrize(
    ("missing", "name"),
    [
        ({"github_webhook_secret": ()}, "ACTIONSIGHT_GITHUB_WEBHOOK_SECRET"),
        ({"redis_url": None}, "ACTIONSIGHT_REDIS_URL"),
        ({"github_webhook_secret": (), "redis_url": None}, "ACTIONSIGHT_GITHUB_WEBHOOK_SECRET"),
    ],
)
def test_without_a_setting_the_receiver_names_it_before_all_else(
    settings: Settings, redis_url: str, missing: dict[str, Any], name: str
) -> None:
    with client_of(replace(settings, **missing)) as client:
        for sent in (headers(BODY), headers(BODY, X_Hub_Signature_256=signature(BODY, "")), {}):
            response = client.post(PATH, input_stream=_Unreadable(), headers=sent)
            assert response.status_code == 503
            assert f"{name} is not set" in response.text
            assert "Retry-After" not in response.headers
    assert buffered(redis_url) == []


def test_a_buffer_that_does_not_answer_is_a_503_that_keeps_its_address(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    away = replace(settings, redis_url=f"redis://:hunter2@127.0.0.1:{free_port()}/0")
    with app_of(away) as app:
        response = make_client(app).post(PATH, data=BODY, headers=headers(BODY))
        counts = counts_of(app)
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "5"
    assert "127.0.0.1" not in response.text
    assert "refused" in caplog.text and "hunter2" not in caplog.text
    assert counts == {"accepted": {}, "refused": {"buffer_unavailable": 1}}
