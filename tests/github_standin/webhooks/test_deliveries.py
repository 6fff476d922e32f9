"""A hook signs and sends as GitHub does."""

import hashlib
import hmac
import json
import socket
import threading
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import parse_qs

import pytest

from github_standin.webhooks.deliveries import Delivery, Hook, deliveries_between, signatures
from github_standin.world.model import make_job
from github_standin.world.world import World
from tests.github_standin.client import MONDAY
from tests.github_standin.receiver import Receiver, receiving

pytestmark = pytest.mark.unit

SECRET = "It's a Secret to Everybody"
GITHUBS_VECTOR = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


@pytest.fixture
def deliveries() -> list[Delivery]:
    world = World()
    workflow = world.add_workflow(world.add_repository("octo/app"))
    world.add_run(workflow, MONDAY, [make_job("build", MONDAY), make_job("prüfen", MONDAY)])
    return deliveries_between(world, MONDAY - timedelta(1), MONDAY + timedelta(1))


def test_the_signature_is_githubs_published_one() -> None:
    made = signatures(SECRET, b"Hello, World!")
    assert made["X-Hub-Signature-256"] == GITHUBS_VECTOR
    assert made["X-Hub-Signature"].startswith("sha1=")


def test_a_delivery_carries_githubs_headers_and_the_bytes_that_were_signed(
    receiver: Receiver, deliveries: list[Delivery]
) -> None:
    hook = Hook(receiver.url, SECRET, hook_id=42)
    [delivery, *_] = [of for of in deliveries if of.event == "workflow_job"]
    assert hook.send(delivery) == 202
    [received] = receiver.requests
    assert received.body == delivery.body
    assert json.loads(received.body)["workflow_job"]["id"] == delivery.job_id
    digest = hmac.new(SECRET.encode(), received.body, hashlib.sha256).hexdigest()
    expected = {
        "x-hub-signature-256": f"sha256={digest}",
        "x-github-event": "workflow_job",
        "x-github-delivery": delivery.delivery_id,
        "x-github-hook-id": "42",
        "x-github-hook-installation-target-type": "repository",
        "x-github-hook-installation-target-id": str(delivery.repository_id),
        "content-type": "application/json",
    }
    assert expected.items() <= received.headers.items()
    assert received.headers["user-agent"].startswith("GitHub-Hookshot/")


def test_a_form_carries_the_payload_and_the_form_is_what_is_signed(
    receiver: Receiver, deliveries: list[Delivery]
) -> None:
    for delivery in deliveries:
        Hook(receiver.url, SECRET, content_type="form").send(delivery)
    for delivery, received in zip(deliveries, receiver.requests, strict=True):
        assert received.headers["content-type"] == "application/x-www-form-urlencoded"
        assert parse_qs(received.body.decode()) == {"payload": [delivery.body.decode()]}
        digest = hmac.new(SECRET.encode(), received.body, hashlib.sha256).hexdigest()
        assert received.headers["x-hub-signature-256"] == f"sha256={digest}"


def test_a_hook_without_a_secret_does_not_sign(
    receiver: Receiver, deliveries: list[Delivery]
) -> None:
    Hook(receiver.url, None).send(deliveries[0])
    assert not any("signature" in name for name in receiver.requests[0].headers)


def test_a_delivery_can_be_forged_and_repeated(
    receiver: Receiver, deliveries: list[Delivery]
) -> None:
    hook, forger = Hook(receiver.url, SECRET), Hook(receiver.url, "guessed")
    forger.send(deliveries[0])
    hook.send(deliveries[0])
    hook.send(deliveries[0])
    hook.send(deliveries[0], headers={"X-GitHub-Event": "workflow_run"})
    forged, true, again, bare = receiver.requests
    assert true == again
    assert forged.body == true.body
    assert forged.headers["x-hub-signature-256"] != true.headers["x-hub-signature-256"]
    assert "x-hub-signature-256" not in bare.headers


@pytest.mark.parametrize("status", [500, 302, 401])
def test_a_refusal_is_told_and_neither_repeated_nor_followed(
    receiver: Receiver, deliveries: list[Delivery], status: int
) -> None:
    receiver.status = status
    assert Hook(receiver.url, SECRET).send(deliveries[0]) == status
    assert len(receiver.requests) == 1


def test_no_answer_in_time_is_a_failure_that_is_not_repeated(
    receiver: Receiver, deliveries: list[Delivery]
) -> None:
    receiver.held.clear()
    assert Hook(receiver.url, SECRET, timeout_seconds=0.2).send(deliveries[0]) is None
    receiver.held.set()
    receiver.status = None
    assert Hook(receiver.url, SECRET).send(deliveries[0]) is None
    assert len(receiver.requests) == 2


def test_nobody_there_is_a_failure(deliveries: list[Delivery]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert Hook(f"http://127.0.0.1:{port}/hooks", SECRET).send(deliveries[0]) is None


def test_a_proxy_of_this_machine_is_not_used(
    receiver: Receiver, deliveries: list[Delivery], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert Hook(receiver.url, SECRET).send(deliveries[0]) == 202


def test_a_hook_keeps_its_connection_and_serves_several_threads(
    receiver: Receiver, deliveries: list[Delivery]
) -> None:
    hook = Hook(receiver.url, SECRET)
    for delivery in deliveries:
        hook.send(delivery)
    assert len(receiver.peers) == 1
    threads = [threading.Thread(target=hook.send, args=(of,)) for of in deliveries]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(receiver.requests) == 2 * len(deliveries)
    hook.close()


def test_a_hooks_secret_is_not_shown() -> None:
    assert SECRET not in repr(Hook("http://127.0.0.1:1", SECRET))
