"""POST /webhooks/github."""

import logging
from http import HTTPStatus
from typing import Any, Literal, cast

from flask import Blueprint, Flask, Response, current_app, request

from actionsight.settings import Settings
from api.bodies import reading_of
from api.disk import disk_of
from api.endpoints import endpoint
from api.event_buffer import current_buffer
from api.parameters import Schema
from api.prometheus.counters import counters_of
from api.records import Record
from api.responses import json_response
from api.webhooks.receiver import CONTENT_TYPES, DeliveryHeaders, Receiver, Refusal
from api.webhooks.throttle import Throttle

blueprint = Blueprint("webhooks", __name__)
logger = logging.getLogger(__name__)

_EXTENSION = "webhooks"
_ACCEPTED = {"status": "accepted"}
_PAYLOAD: Schema = {
    "type": "object",
    "additionalProperties": True,
    "description": "GitHub's payload.",
}
_FORM: Schema = {
    "type": "object",
    "properties": {"payload": {"type": "string", "description": "GitHub's payload as JSON."}},
    "required": ["payload"],
}


class Accepted(Record):
    """The delivery is stored."""

    status: Literal["accepted"]


def init_app(app: Flask, settings: Settings) -> None:
    """Let this application, which has its counters and a limit of bodies, receive webhooks as the
    settings allow it."""
    app.extensions[_EXTENSION] = Receiver(
        settings.github_webhook_secret, counters_of(app).webhooks, reading_of(app), disk_of(app)
    )


def current_receiver() -> Receiver:
    """The receiver of the application that answers now."""
    extension: Any = current_app.extensions[_EXTENSION]
    return cast(Receiver, extension)


@blueprint.post("/webhooks/github", provide_automatic_options=False)
@endpoint(
    "Takes what GitHub delivers, to be processed in a moment.",
    tag="installation",
    headers=DeliveryHeaders,
    limits_body_itself=True,
    body=dict(zip(CONTENT_TYPES, (_PAYLOAD, _FORM), strict=True)),
    status=HTTPStatus.ACCEPTED,
    answer=Accepted,
    has_freshness=False,
    failures={
        HTTPStatus.BAD_REQUEST: "The body is not as long as promised, or a header is missing or "
        "unusable (`errors` names each).",
        HTTPStatus.UNAUTHORIZED: "The signature is missing, or of none of the secrets.",
        HTTPStatus.LENGTH_REQUIRED: "The request has no Content-Length.",
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is larger than GitHub sends any.",
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The body is neither JSON nor a form.",
        HTTPStatus.SERVICE_UNAVAILABLE: "No secret is set, the event buffer is away or full, or "
        "the disk nearly is.",
    },
)
def post_webhook() -> Response:
    """A 202 says that the delivery is stored; nothing of it has been read yet."""
    receiver = current_receiver()
    try:
        # Itself: looking it up anew for each of its attributes costs a tenth of all this.
        receiver.receive(request._get_current_object(), current_buffer())  # pyrefly: ignore[missing-attribute]
    except Refusal as refusal:
        _log(refusal, receiver.throttle)
        raise
    return json_response(_ACCEPTED, HTTPStatus.ACCEPTED)


def _log(refusal: Refusal, throttle: Throttle) -> None:
    held_back = throttle.pass_on(refusal.reason.value)
    if held_back is None:
        return
    # By %a nothing of a stranger's header can look like a line of the log.
    logger.warning(
        "webhook refused: %s (delivery %.80a, %s bytes, from %s; %d like it since the last line)%s",
        refusal.reason.value,
        request.headers.get("X-GitHub-Delivery"),
        request.content_length,
        request.remote_addr,
        held_back,
        f": {refusal.__cause__}" if refusal.__cause__ else "",
    )
