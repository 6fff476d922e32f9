"""Bodies of requests: how large one may be, and of which type a form.

No route of this API needs more than a few hundred bytes. What tells its length is refused before
anything of it is read; of a chunked body nothing beyond the limit is. Nothing is spooled to disk:
Werkzeug does that from 500 kB on, and no route takes files.
"""

from collections.abc import Mapping
from http import HTTPStatus

from flask import Flask, Request, current_app, request
from werkzeug.exceptions import RequestEntityTooLarge

from api.endpoints import Endpoint
from api.errors import Problem

LARGEST_BODY_BYTES = 64 * 1024
FORM = "application/x-www-form-urlencoded"


def init_app(app: Flask) -> None:
    """Limit the bodies of this application's requests; to be called before anything else that looks
    at requests."""
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY_BYTES
    app.before_request(_refuse_large)


def read_body(request: Request) -> bytes:
    """The whole body.

    Raises:
        RequestEntityTooLarge: there is more of it than is taken here.
    """
    body = request.get_data()
    _check_end(request)
    return body


def read_form(request: Request) -> Mapping[str, str]:
    """The fields of a form; none where there is no body.

    Raises:
        Problem: 415, it is of another type; nothing was read.
        RequestEntityTooLarge: there is more of it than is taken here.
    """
    if not request.mimetype:
        return {}
    if request.mimetype != FORM:
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Send {FORM}.")
    form = request.form
    _check_end(request)
    return form


def _check_end(request: Request) -> None:
    # At the limit Werkzeug ends a body whose length nobody told, as if all of it had come; who
    # wants more then is told that there is.
    request.stream.read(1)


def _refuse_large() -> None:
    view = current_app.view_functions.get(request.endpoint or "")
    if isinstance(view, Endpoint) and view.limits_body_itself:
        return
    if (request.content_length or 0) > LARGEST_BODY_BYTES:
        raise RequestEntityTooLarge
