"""The id of a request: sent along, or made here; on its answer, and on its lines in the log."""

import random
import re

from flask import Flask, Response, g, request

HEADER = "X-Request-Id"
# What proxies make, and nothing that could look like something else in a log.
_USABLE = re.compile(r"[A-Za-z0-9._:=@+/-]{1,64}")


def init_app(app: Flask) -> None:
    """Let every answer of this application name its request."""
    app.after_request(_add)


def current_request_id() -> str:
    """The id of the request that is answered now."""
    if "request_id" not in g:
        given = request.headers.get(HEADER, "")
        g.request_id = given if _USABLE.fullmatch(given) else _new_id()
    return str(g.request_id)


def _new_id() -> str:
    # Nothing secret, and a tenth of what the system's own randomness costs.
    return f"{random.getrandbits(128):032x}"


def _add(response: Response) -> Response:
    response.headers.add(HEADER, current_request_id())
    return response
