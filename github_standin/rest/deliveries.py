"""The deliveries of a hook, whosever it is: a page of them, and one that is made again."""

from urllib.parse import urlencode

from flask import Response, request

from github_standin.payloads.repositories import Body, timestamp
from github_standin.responses import InvalidBodyError, NotFoundError, Page, json_response
from github_standin.webhooks.sender import Sender, Sent

CURSOR = "v1_"
"""A cursor is this, and the id of the attempt with which its page begins."""


def listed(sender: Sender | None) -> Response:
    """A page of the attempts, the newest first; the next one's cursor is in `Link`."""
    if sender is None:
        raise NotFoundError
    size, begins = Page.of(request.args).size, _begins(request.args.get("cursor"))
    found = [sent for sent in sender.attempts() if begins is None or sent.id <= begins]
    response = json_response([_body(sent) for sent in found[:size]])
    if len(found) > size:
        query = {**request.args, "cursor": f"{CURSOR}{found[size].id}"}
        response.headers["Link"] = f'<{request.base_url}?{urlencode(query)}>; rel="next"'
    return response


def redelivered(sender: Sender | None, attempt_id: int) -> Response:
    """Let what an attempt was about be delivered again, under the same GUID."""
    if sender is None:
        raise NotFoundError
    for sent in sender.attempts():
        if sent.id == attempt_id:
            sender.redeliver(sent)
            return json_response({}, 202)
    raise NotFoundError


def _begins(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    number = cursor.removeprefix(CURSOR)
    if number == cursor or not number.isdecimal():
        raise InvalidBodyError("Invalid cursor")
    return int(number)


def _body(sent: Sent) -> Body:
    """Schema `hook-delivery-item`."""
    delivery = sent.delivery
    return {
        "id": sent.id,
        "guid": delivery.delivery_id,
        "delivered_at": timestamp(sent.at),
        "redelivery": delivery.is_redelivery,
        "duration": round(sent.duration_seconds, 2),
        "status": _status(sent),
        "status_code": sent.status or 0,
        "event": delivery.event,
        "action": delivery.action,
        "installation_id": delivery.installation_id,
        "repository_id": delivery.repository_id,
        "throttled_at": None,
    }


def _status(sent: Sent) -> str:
    if sent.is_ok:
        return "OK"
    return "failed to connect" if sent.status is None else f"Invalid HTTP Response: {sent.status}"
