"""Bodies of requests: how large one may be, and of which type a form.

No route of this API needs more than a few hundred bytes. What tells its length is refused before
anything of it is read; of a chunked body nothing beyond the limit is. Nothing is spooled to disk:
Werkzeug does that from 500 kB on, and no route takes files.

The server waits for a body as long as its sender likes, on a thread. So only so many are read at
once, and fewer from one address: the other threads still answer.
"""

import threading
from collections import Counter
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, NamedTuple, TypeVar, cast

import orjson
from flask import Flask, Response, current_app, request
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wrappers import Request

from api.endpoints import Endpoint
from api.errors import RETRY_SECONDS, Problem, problem_response
from api.parameters import Parameters, parameters_of, read_object
from api.responses import JSON

M = TypeVar("M", bound=Parameters)

_EXTENSION = "bodies"

LARGEST_BODY_BYTES = 64 * 1024
TOO_MANY = "Too many requests are being sent here at once. Try again in a moment."
FORM = "application/x-www-form-urlencoded"


class Bounds(NamedTuple):
    """Of the bodies that one process reads at the same moment."""

    most: int
    most_of_address: int
    most_bytes: int


# Of 64 threads (`actionsight.api_server`). Behind a proxy all of GitHub may be one address, and its
# deliveries come in bursts.
OF_API = Bounds(most=40, most_of_address=32, most_bytes=100 * 1024 * 1024)
# Of 256. GitHub's bodies are there in milliseconds.
OF_RECEIVER = Bounds(most=192, most_of_address=64, most_bytes=400 * 1024 * 1024)


class TooManyError(Exception):
    """As many bodies are being read as may be."""


class Reading:
    """The bodies that are being read in this process; safe to share between threads."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._lock = threading.Lock()
        self._of_address: Counter[str] = Counter()
        self._count = self._bytes = 0

    @contextmanager
    def one(self, request: Request) -> Generator[None]:
        """The body of a request is read within this context.

        Raises:
            TooManyError: it must not be now.
        """
        address = request.remote_addr or ""
        size = LARGEST_BODY_BYTES if request.content_length is None else request.content_length
        with self._lock:
            if (
                self._count >= self._bounds.most
                or self._of_address[address] >= self._bounds.most_of_address
                or self._bytes + size > self._bounds.most_bytes
            ):
                raise TooManyError
            self._of_address[address] += 1
            self._count += 1
            self._bytes += size
        try:
            yield
        finally:
            with self._lock:
                self._of_address[address] -= 1
                if not self._of_address[address]:
                    del self._of_address[address]
                self._count -= 1
                self._bytes -= size


def init_app(app: Flask, bounds: Bounds) -> None:
    """Limit the bodies of this application's requests; to be called before anything else that looks
    at requests."""
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY_BYTES
    app.extensions[_EXTENSION] = Reading(bounds)
    app.register_error_handler(TooManyError, _too_many)
    app.before_request(_refuse_large)


def read_body(request: Request) -> bytes:
    """The whole body.

    Raises:
        RequestEntityTooLarge: there is more of it than is taken here.
        TooManyError: too many others are being read.
    """
    with reading_of(current_app).one(request):
        body = request.get_data()
        _check_end(request)
    return body


def read_json(request: Request, model: type[M]) -> M:
    """The members of a JSON object.

    Raises:
        Problem: 415, it is of another type, and nothing was read; 400.
        RequestEntityTooLarge: there is more of it than is taken here.
        TooManyError: too many others are being read.
    """
    if request.mimetype != JSON:
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Send {JSON}.")
    try:
        body: Any = orjson.loads(read_body(request))
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        members = ", ".join(f'"{name}": …' for name in parameters_of(model))
        raise Problem(HTTPStatus.BAD_REQUEST, f"The body must be JSON: {{{members}}}.")
    return read_object(model, body)


def read_form(request: Request) -> Mapping[str, str]:
    """The fields of a form; none where there is no body.

    Raises:
        Problem: 415, it is of another type; nothing was read.
        RequestEntityTooLarge: there is more of it than is taken here.
        TooManyError: too many others are being read.
    """
    if not request.mimetype:
        return {}
    if request.mimetype != FORM:
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Send {FORM}.")
    with reading_of(current_app).one(request):
        form = request.form
        _check_end(request)
    return form


def reading_of(app: Flask) -> Reading:
    """What an application is reading."""
    extension: Any = app.extensions[_EXTENSION]
    return cast(Reading, extension)


def _check_end(request: Request) -> None:
    # At the limit Werkzeug ends a body whose length nobody told, as if all of it had come; who
    # wants more then is told that there is.
    request.stream.read(1)


def _too_many(_: TooManyError) -> Response:
    return problem_response(
        HTTPStatus.SERVICE_UNAVAILABLE, TOO_MANY, {"Retry-After": RETRY_SECONDS}
    )


def _refuse_large() -> None:
    view = current_app.view_functions.get(request.endpoint or "")
    if isinstance(view, Endpoint) and view.declared.limits_body_itself:
        return
    if (request.content_length or 0) > LARGEST_BODY_BYTES:
        raise RequestEntityTooLarge
