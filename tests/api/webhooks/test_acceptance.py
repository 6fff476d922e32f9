"""POST /webhooks/github: what GitHub signed is buffered as it came."""

import os
import subprocess
import sys
import textwrap
import zlib

import pytest
import redis

from actionsight.settings import ROOT, Settings
from tests.api.client import ValidatingClient
from tests.api.webhooks.counted import Counted
from tests.api.webhooks.deliveries import (
    BODY,
    OLD_SECRET,
    PATH,
    SECRET,
    buffered,
    headers,
    signature,
)

pytestmark = pytest.mark.integration


def test_a_signed_delivery_is_buffered_as_it_came(client: ValidatingClient, redis_url: str) -> None:
    body = '{"name":"Grüße \\u0000 🚀"}\r\n'.encode() + b"\x00\xff"
    sent = headers(
        body,
        X_GitHub_Delivery="72d3162e-cc78-11e3-81ab-4c9367dc0958",
        X_GitHub_Hook_Installation_Target_Type="organization",
        Cookie="session=abc",
        Authorization="Bearer abc",
        X_Forwarded_For="192.0.2.1",
    )
    response = client.post(PATH, data=body, headers=sent)
    assert (response.status_code, response.json) == (202, {"status": "accepted"})
    assert "Set-Cookie" not in response.headers
    (event,) = buffered(redis_url)
    assert zlib.decompress(event.body) == body
    assert event.headers == {
        "content-type": "application/json",
        "user-agent": "GitHub-Hookshot/abc1234",
        "x-github-delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
        "x-github-event": "workflow_run",
        "x-github-hook-id": "7",
        "x-github-hook-installation-target-type": "organization",
    }


def test_githubs_published_example_of_a_signature_is_accepted(
    client: ValidatingClient, redis_url: str
) -> None:
    body = b"Hello, World!"
    published = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    response = client.post(PATH, data=body, headers=headers(body, X_Hub_Signature_256=published))
    assert response.status_code == 202
    assert [zlib.decompress(event.body) for event in buffered(redis_url)] == [body]


@pytest.mark.parametrize(
    ("secret", "status"), [(SECRET, 202), (OLD_SECRET, 202), ("another", 401), ("", 401)]
)
def test_while_secrets_are_rotated_both_are_accepted_and_no_other(
    client: ValidatingClient, secret: str, status: int
) -> None:
    signed = headers(BODY, X_Hub_Signature_256=signature(BODY, secret))
    assert client.post(PATH, data=BODY, headers=signed).status_code == status


def test_a_body_sent_as_a_form_is_buffered_as_the_bytes_that_it_is(
    client: ValidatingClient, redis_url: str
) -> None:
    body = b"payload=%7B%22action%22%3A%22completed%22%7D"
    sent = headers(body, Content_Type="application/x-www-form-urlencoded")
    assert client.post(PATH, data=body, headers=sent).status_code == 202
    (event,) = buffered(redis_url)
    assert zlib.decompress(event.body) == body
    assert event.headers["content-type"] == "application/x-www-form-urlencoded"


def test_an_event_of_any_name_is_accepted_whatever_its_body_and_query_are(
    client: ValidatingClient, redis_url: str
) -> None:
    for body in (b" ", b"not JSON", b"[]"):
        sent = headers(body, X_GitHub_Event="never_heard_of")
        assert client.post(f"{PATH}?from=github", data=body, headers=sent).status_code == 202
    assert [zlib.decompress(event.body) for event in buffered(redis_url)] == [
        b" ",
        b"not JSON",
        b"[]",
    ]


def test_headers_that_are_unreadable_or_long_do_no_harm(
    client: ValidatingClient, redis_url: str
) -> None:
    sent = headers(BODY, X_GitHub_Odd="caf\xe9", X_GitHub_Long="x" * 1000)
    assert client.post(PATH, data=BODY, headers=sent).status_code == 202
    (event,) = buffered(redis_url)
    assert "x-github-odd" not in event.headers
    assert event.headers["x-github-long"] == "x" * 255


def test_a_delivery_costs_one_command_of_redis(client: ValidatingClient, redis_url: str) -> None:
    assert client.post(PATH, data=BODY, headers=headers(BODY)).status_code == 202
    with redis.Redis.from_url(redis_url) as server:
        server.config_resetstat()
        for _ in range(20):
            assert client.post(PATH, data=BODY, headers=headers(BODY)).status_code == 202
        client.post(PATH, data=BODY, headers=headers(BODY, X_Hub_Signature_256="sha256=0"))
        calls = {name: each["calls"] for name, each in server.info("commandstats").items()}
    calls.pop("cmdstat_config|resetstat", None)
    assert calls == {"cmdstat_xadd": 20}


def test_a_delivery_that_comes_again_is_buffered_again(
    client: ValidatingClient, redis_url: str
) -> None:
    """The ledger decides what was seen before; a receiver that did could lose a redelivery."""
    sent = headers(BODY)
    for _ in range(2):
        assert client.post(PATH, data=BODY, headers=sent).status_code == 202
    assert len({event.delivery_id for event in buffered(redis_url)}) == 1
    assert len(buffered(redis_url)) == 2


def test_acceptances_are_counted_by_event_and_strange_names_together(
    client: ValidatingClient, counted: Counted
) -> None:
    for event in ("workflow_run", "workflow_job", "workflow_run", "ping", "odd_1", "odd_2"):
        client.post(PATH, data=BODY, headers=headers(BODY, X_GitHub_Event=event))
    assert counted()["accepted"] == {
        "workflow_run": 2,
        "workflow_job": 1,
        "ping": 1,
        "other": 2,
    }


def test_an_application_that_was_used_before_a_fork_serves_parent_and_child(
    settings: Settings, redis_url: str
) -> None:
    program = """
        import os
        from actionsight.settings import load
        from api.app import create_app
        from tests.api.webhooks.deliveries import PATH, headers

        client = create_app(load()).test_client()

        def deliver(times):
            for _ in range(times):
                assert client.post(PATH, data=b"{}", headers=headers(b"{}")).status_code == 202

        deliver(1)
        child = os.fork()
        deliver(100)
        if child:
            assert os.waitpid(child, 0)[1] == 0
    """
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=ROOT,
        env={**os.environ, **settings.environment()},
        check=True,
        timeout=60,
    )
    assert len({event.delivery_id for event in buffered(redis_url)}) == 201
