"""Deliveries as GitHub sends them, signed, and what of them is in the buffer."""

import hashlib
import hmac
import uuid

from actionsight.event_buffer import Event, EventBuffer

PATH = "/webhooks/github"
SECRET = "It's a Secret to Everybody"
OLD_SECRET = "the old secret"
BODY = b'{"action":"completed","workflow_run":{"id":1}}'
# There is no such server: a receiver that asked a database would not answer.
NO_DATABASE_URL = "postgresql://nobody:hunter2@127.0.0.1:1/nothing"


def signature(body: bytes, secret: str = SECRET) -> str:
    """The value of X-Hub-Signature-256."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def headers(body: bytes, **changed: str | None) -> dict[str, str]:
    """Headers of a signed delivery; `X_GitHub_Event="ping"` changes one, None leaves it out."""
    given: dict[str, str | None] = {
        "Content-Type": "application/json",
        "User-Agent": "GitHub-Hookshot/abc1234",
        "X-GitHub-Event": "workflow_run",
        "X-GitHub-Delivery": str(uuid.uuid4()),
        "X-GitHub-Hook-ID": "7",
        "X-Hub-Signature": "sha1=" + hmac.new(SECRET.encode(), body, hashlib.sha1).hexdigest(),
        "X-Hub-Signature-256": signature(body),
    }
    given.update({name.replace("_", "-"): text for name, text in changed.items()})
    return {name: text for name, text in given.items() if text is not None}


def buffered(redis_url: str) -> list[Event]:
    """All events in the buffer, oldest first."""
    buffer = EventBuffer(redis_url)
    try:
        return buffer.claim([*buffer.claims(10_000)]) + buffer.new(10_000)
    finally:
        buffer.close()
