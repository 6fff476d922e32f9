"""Deliveries of GitHub: verified over the raw body, then buffered by one command of Redis.

Nothing is parsed and no database is asked. What the headers tell is judged before the body is
read, so whoever has no secret costs a bounded read and an HMAC at most; and GitHub, which waits for
10 seconds and never tries again by itself, gets its answer at once.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Protocol

import redis
from pydantic import Field
from werkzeug.exceptions import ClientDisconnected
from werkzeug.wrappers import Request

from actionsight.disk import Disk
from actionsight.event_buffer import BufferFullError, EventBuffer
from api.bodies import FORM, TOO_MANY, Reading, TooManyError
from api.errors import RETRY_SECONDS, Problem
from api.parameters import LONGEST_TEXT, AsciiText, Parameters, read_headers
from api.prometheus.webhook_counters import RefusalReason, WebhookCounters
from api.webhooks.signature import SIGNATURE_HEADER, is_signature, is_signed
from api.webhooks.throttle import Throttle

# GitHub sends nothing that is larger.
LARGEST_BODY_BYTES = 25 * 1024 * 1024
# What a webhook's settings at GitHub offer.
CONTENT_TYPES = ("application/json", FORM)
# What is kept of a delivery's headers; never a signature, a cookie or an authorization.
_KEPT = ("HTTP_X_GITHUB_", "CONTENT_TYPE", "HTTP_USER_AGENT")  # how their names begin


class DeliveryHeaders(Parameters):
    """What GitHub tells of a delivery beside its body."""

    event: AsciiText = Field(alias="X-GitHub-Event", description="The kind of event.")
    delivery: AsciiText = Field(
        alias="X-GitHub-Delivery",
        description="GitHub's GUID of the delivery, the same when it is delivered again.",
    )


class Refusal(Problem):
    """A delivery that is not taken, and the reason by which it is counted."""

    def __init__(
        self,
        reason: RefusalReason,
        status: HTTPStatus,
        detail: str,
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(status, detail, headers=headers, **members)
        self.reason = reason


class Receiver:
    """Takes deliveries, or says why not; safe to share between threads and to make before a fork.

    Args:
        secrets: what GitHub signs with: one, or two while they are rotated.
        counts: where deliveries are counted.
        reading: the bodies that are being read.
        disk: on which the event buffer and the database lie.

    Attributes:
        throttle: of what the log tells about refusals, by their reason.
    """

    def __init__(
        self, secrets: Sequence[str], counters: WebhookCounters, reading: Reading, disk: Disk
    ) -> None:
        self._secrets = tuple(secret.encode() for secret in secrets)
        self._counters = counters
        self._reading = reading
        self._disk = disk
        self.throttle = Throttle()

    def receive(self, request: Request, buffer: EventBuffer | None) -> None:
        """Buffer a delivery; once this returns, Redis has it on disk.

        Args:
            buffer: where it waits for the drain; None: no Redis is configured.

        Raises:
            Refusal: it is not buffered, as far as is known.
        """
        try:
            event = self._receive(request, buffer)
        except Refusal as refusal:
            self._counters.refuse(refusal.reason)
            raise
        self._counters.accept(event)

    def _receive(self, request: Request, buffer: EventBuffer | None) -> str:
        if not self._secrets:
            raise _not_configured("ACTIONSIGHT_GITHUB_WEBHOOK_SECRET")
        if buffer is None:
            raise _not_configured("ACTIONSIGHT_REDIS_URL")
        signature = _read_signature(request)
        _check_content_type(request)
        event = _read_event(request)
        body = self._read_body(request)
        if not is_signed(body, signature, self._secrets):
            raise _unauthorized(RefusalReason.SIGNATURE_WRONG, f"{SIGNATURE_HEADER} is wrong.")
        if self._disk.usage().is_full:
            detail = "The disk is nearly full. Deliver again later."
            raise _unavailable(RefusalReason.DISK_FULL, detail)
        try:
            buffer.append(_kept_headers(request), body)
        except BufferFullError as error:
            detail = "The event buffer is full. Deliver again in a moment."
            raise _unavailable(RefusalReason.BUFFER_FULL, detail) from error
        except redis.RedisError as error:
            detail = "The event buffer does not answer. Deliver again in a moment."
            raise _unavailable(RefusalReason.BUFFER_UNAVAILABLE, detail) from error
        return event

    def _read_body(self, request: Request) -> bytes:
        length = _read_length(request)
        try:
            with self._reading.one(request):
                return _read_body(request, length)
        except TooManyError:
            raise _unavailable(RefusalReason.BUSY, TOO_MANY) from None


class _Stream(Protocol):
    def read(self, size: int, /) -> bytes: ...


def _read_signature(request: Request) -> bytes:
    signature = request.headers.get(SIGNATURE_HEADER)
    if not signature:
        raise _unauthorized(RefusalReason.SIGNATURE_MISSING, f"Send {SIGNATURE_HEADER}.")
    if not is_signature(signature):
        raise _unauthorized(RefusalReason.SIGNATURE_WRONG, f"{SIGNATURE_HEADER} is wrong.")
    return signature.encode()


def _check_content_type(request: Request) -> None:
    if request.mimetype not in CONTENT_TYPES:
        raise Refusal(
            RefusalReason.CONTENT_TYPE_WRONG,
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"Send {' or '.join(CONTENT_TYPES)}.",
        )


def _read_length(request: Request) -> int:
    promised = request.headers.get("Content-Length", "")
    # None for a chunked body; what is no number Werkzeug would read as 0.
    length = request.content_length if promised.isascii() and promised.isdigit() else None
    if length is None:
        raise Refusal(
            RefusalReason.LENGTH_MISSING,
            HTTPStatus.LENGTH_REQUIRED,
            "Send the body's Content-Length.",
        )
    if length > LARGEST_BODY_BYTES:
        raise Refusal(
            RefusalReason.TOO_LARGE,
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"A body has at most {LARGEST_BODY_BYTES:,} bytes.",
        )
    return length


def _read_body(request: Request, length: int) -> bytes:
    # What every other route takes is far less.
    request.max_content_length = LARGEST_BODY_BYTES + 1
    try:
        # One byte more tells a body that is longer than promised, where it comes with the others:
        # this never waits for bytes that nobody promised.
        body = _read(request.stream, length + 1)
    except (ClientDisconnected, OSError):
        body = None
    if body is None or len(body) != length:
        raise Refusal(
            RefusalReason.LENGTH_WRONG,
            HTTPStatus.BAD_REQUEST,
            "The body is not as long as its Content-Length.",
        )
    return body


def _read(stream: _Stream, size: int) -> bytes:
    """So many bytes, or all but the last."""
    parts = []
    while size > 1 and (part := stream.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _read_event(request: Request) -> str:
    try:
        headers = read_headers(DeliveryHeaders, request.headers)
    except Problem as problem:
        raise Refusal(
            RefusalReason.HEADERS_UNUSABLE,
            problem.status,
            problem.detail,
            kind=problem.kind,
            **problem.members,
        ) from problem
    return headers.event


def _kept_headers(request: Request) -> dict[str, str]:
    """The headers that matter later, by name, without what a database may not take.

    They are read from the WSGI environment: Werkzeug's headers would name all of them first.
    """
    return {
        key.removeprefix("HTTP_").replace("_", "-"): value[:LONGEST_TEXT]
        for key, value in request.environ.items()
        if key.startswith(_KEPT) and value.isascii() and value.isprintable()
    }


def _not_configured(setting: str) -> Refusal:
    return Refusal(
        RefusalReason.NOT_CONFIGURED,
        HTTPStatus.SERVICE_UNAVAILABLE,
        f"Webhooks are not received here: {setting} is not set.",
    )


def _unavailable(reason: RefusalReason, detail: str) -> Refusal:
    return Refusal(reason, HTTPStatus.SERVICE_UNAVAILABLE, detail, {"Retry-After": RETRY_SECONDS})


def _unauthorized(reason: RefusalReason, detail: str) -> Refusal:
    return Refusal(reason, HTTPStatus.UNAUTHORIZED, detail, {"WWW-Authenticate": SIGNATURE_HEADER})
