"""The HTTP side of the stand-in: tokens, limits, ETags, a log of requests, faults on demand.

with serving(world, token="secret") as server:
    server.url, server.requests, server.world
"""

import hashlib
import logging
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from werkzeug.datastructures import ETags
from werkzeug.http import http_date
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler
from werkzeug.wrappers import Request, Response

from github_standin.responses import error_response, json_response
from github_standin.rest.access import (
    SuspendedError,
    UnauthorizedError,
    Viewer,
    authenticate,
    authenticate_app,
)
from github_standin.rest.app import create_app
from github_standin.rest.current import set_viewer, set_world
from github_standin.server.latency import Latency
from github_standin.server.primary_limit import Quota, Quotas
from github_standin.server.secondary_limits import SecondaryLimits, Traffic
from github_standin.webhooks.registry import HookRegistry
from github_standin.webhooks.sender import Sender
from github_standin.world.world import World

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

log = logging.getLogger(__name__)

RATE_LIMIT = 5_000
"""Requests an hour and token."""

PAGES = "/login/"
"""What is github.com's and not its API's: no token, no limit."""

OWN = "/standin"
"""What the stand-in tells of itself."""

APPLICATIONS = "/applications/"
"""What an App asks with its own id and secret."""

OF_THE_APP = re.compile(
    r"/app(/.*)?|/(repos/[^/]+/[^/]+|repositories/[^/]+|orgs/[^/]+|users/[^/]+)/installation"
)
"""What an App asks with what it signs."""

API_VERSIONS = ("2022-11-28", "2026-03-10")


@dataclass(frozen=True)
class Break:
    """A fault: the connection breaks after *body_bytes* of the answer's body; None: without any
    answer."""

    body_bytes: int | None = None


Fault = Callable[[Request], Response | Break | None]
"""Called for every request before it is answered. It may return another answer or a `Break`, wait,
or return None, which means: answer as usual. An exception becomes an answer 500."""

Status = Callable[[], dict[str, Any]]


@dataclass(frozen=True)
class LoggedRequest:
    """A request that was answered; `status` 0: the connection was broken without an answer."""

    method: str
    path: str
    query: dict[str, str]
    status: int
    at: datetime
    headers: dict[str, str]


class Server:
    """The stand-in as a WSGI application, and its thread.

    `fault`, `latency`, `secondary_limits` and `rate_limit` (None: no limit is told of, as on an
    Enterprise Server without) may be set at any time. `requests` grows by one per answer, in the
    order of the answers, unless `keeps_requests` is False; `traffic` and `refusals` only count.
    Times (`Date`, the limit's reset) are the world's. *token* is the collector's, which reaches
    everything; *administers_hooks*: it may also administer every repository's hooks.
    """

    def __init__(
        self,
        world: World,
        *,
        token: str | None = None,
        rate_limit: int | None = RATE_LIMIT,
        fault: Fault | None = None,
        status: Status | None = None,
        administers_hooks: bool = False,
        keeps_requests: bool = True,
        latency: Latency | None = None,
        secondary_limits: SecondaryLimits | None = None,
    ) -> None:
        self.world = world
        self.administers_hooks = administers_hooks
        self.token = token
        self.rate_limit = rate_limit
        self.fault = fault
        self.latency = latency
        self.keeps_requests = keeps_requests
        self.requests: list[LoggedRequest] = []
        self.traffic = Traffic()
        self.traffic.limits = secondary_limits
        self.url = ""
        self._status = status
        self._hooks = HookRegistry(world)
        self._quotas = Quotas(world.people)
        self._http: ThreadedWSGIServer | None = None
        self._thread: threading.Thread | None = None

    def start(self, port: int = 0) -> None:
        """Listen on the loopback address, on any free port if *port* is 0. Raises `OSError`."""
        with socket.create_server(("127.0.0.1", port), backlog=128) as listener:
            self._http = ThreadedWSGIServer(
                "127.0.0.1", port, self, _QuietHandler, fd=listener.fileno()
            )
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(
            target=self._http.serve_forever, args=(0.05,), name="github-standin", daemon=True
        )
        self._thread.start()
        self._hooks.start(self.url)

    def stop(self) -> None:
        """Stop listening; answers under way are left to their threads."""
        if self._http is not None and self._thread is not None:
            self._hooks.stop()
            self._http.shutdown()
            self._thread.join()
            self._http = self._thread = None

    def attach(self, sender: Sender) -> None:
        """Tell of the deliveries of an App's or an organization's hook, which others run."""
        self._hooks.attach(sender)

    @property
    def secondary_limits(self) -> SecondaryLimits | None:
        """What GitHub does not tell of beforehand; None: no such limits."""
        return self.traffic.limits

    @secondary_limits.setter
    def secondary_limits(self, limits: SecondaryLimits | None) -> None:
        self.traffic.limits = limits

    @property
    def refusals(self) -> Counter[str]:
        """How many requests were refused, by the limit that refused them."""
        return self.traffic.refusals

    def paths(self) -> list[str]:
        """The paths asked for so far, without their queries."""
        return [logged.path for logged in self.requests]

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer one request (WSGI)."""
        request = Request(environ)
        if request.path == OWN:
            return self._own_status()(environ, start_response)
        credential = self._quotas.key(request)
        refused = self.traffic.enter(credential, request.method)
        try:
            if refused is not None:
                response = self._stamped(request, self._with_quota(request, refused))
                self._record(request, response.status_code)
                return response(environ, start_response)
            return self._respond(request, start_response)
        finally:
            self.traffic.leave(credential)

    def _respond(self, request: Request, start_response: "StartResponse") -> Iterable[bytes]:
        environ = request.environ
        fault = self._fault(request)
        if self.latency is not None:
            time.sleep(self.latency.seconds())
        if isinstance(fault, Break) and fault.body_bytes is None:
            self._record(request, 0)
            _hang_up(environ)
        response = fault if isinstance(fault, Response) else self.answer(request)
        self._record(request, response.status_code)
        if isinstance(fault, Break):
            # Content-Length promises the whole body; the werkzeug socket is cut before it is sent.
            return _broken(response, fault.body_bytes or 0, environ, start_response)
        return response(environ, start_response)

    def _fault(self, request: Request) -> Response | Break | None:
        if self.fault is None:
            return None
        try:
            return self.fault(request)
        except Exception as raised:
            return error_response(500, f"Server Error: {raised}")

    def answer(self, request: Request) -> Response:
        """The usual answer: a fault may take it and send something that differs."""
        with self.world.lock:
            set_world(request, self.world, self._hooks)
            now = self.world.now()
            if request.path.startswith(PAGES):
                response = _from_app(request)
            else:
                response = self._refusal(request, now) or self._limited(request, now)
        return self._stamped(request, response)

    def _own_status(self) -> Response:
        status = {} if self._status is None else self._status()
        return json_response(status | {"requests": self.traffic.status()})

    def _stamped(self, request: Request, response: Response) -> Response:
        version = request.headers.get("X-GitHub-Api-Version", API_VERSIONS[0])
        response.headers["X-GitHub-Api-Version-Selected"] = version
        response.headers["X-GitHub-Media-Type"] = "github.v3; format=json"
        response.headers["Server"] = "github.com"
        response.headers["Date"] = http_date(self.world.now())
        return response

    def _refusal(self, request: Request, now: datetime) -> Response | None:
        if not request.headers.get("User-Agent"):
            return error_response(
                403, "Request forbidden by administrative rules. Add a User-Agent header."
            )
        version = request.headers.get("X-GitHub-Api-Version")
        if version is not None and version not in API_VERSIONS:
            return error_response(400, f"API version {version} is not supported")
        if not request.path.startswith(APPLICATIONS):
            try:
                viewer = self._viewer(request)
            except UnauthorizedError as reason:
                return error_response(401, str(reason))
            except SuspendedError as reason:
                return error_response(403, str(reason))
            set_viewer(request, viewer)
        quota = self._quota(request, now)
        if quota is not None and quota.is_used_up and request.path != "/rate_limit":
            self.traffic.count_refusal("primary")
            refused = error_response(403, "API rate limit exceeded. Wait until it is reset.")
            return quota.with_headers(refused)
        return None

    def _viewer(self, request: Request) -> Viewer:
        people, authorization = self.world.people, request.headers.get("Authorization")
        if OF_THE_APP.fullmatch(request.path):
            return authenticate_app(people, authorization)
        if request.path.startswith("/apps/") and not authorization:
            return Viewer(people)
        return authenticate(
            people, authorization, self.token, administers_hooks=self.administers_hooks
        )

    def _limited(self, request: Request, now: datetime) -> Response:
        quota = self._quota(request, now)
        if request.path == "/rate_limit":
            if quota is None:
                return error_response(404, "Rate limiting is not enabled.")
            return quota.with_headers(json_response(quota.body()))
        response = _from_app(request)
        if response.status_code == 200 and request.method == "GET":
            _add_etag(request, response)
        if quota is None:
            return response
        # A 304 costs nothing.
        quota.used += response.status_code != 304
        return quota.with_headers(response)

    def _quota(self, request: Request, now: datetime) -> Quota | None:
        if self.rate_limit is None:
            return None
        return self._quotas.of(request, self.rate_limit, now)

    def _with_quota(self, request: Request, response: Response) -> Response:
        with self.world.lock:
            quota = self._quota(request, self.world.now())
        return response if quota is None else quota.with_headers(response)

    def _record(self, request: Request, status: int) -> None:
        self.traffic.count(status)
        if not self.keeps_requests:
            return
        headers = {name.lower(): value for name, value in request.headers.items()}
        logged = LoggedRequest(
            request.method,
            request.path,
            request.args.to_dict(),
            status,
            self.world.now(),
            headers,
        )
        self.requests.append(logged)


@contextmanager
def serving(
    world: World,
    *,
    port: int = 0,
    token: str | None = None,
    rate_limit: int | None = RATE_LIMIT,
    **options: Any,
) -> Generator[Server]:
    """Serve *world* on the loopback address while the block runs; *options* are further ones of
    `Server`."""
    server = Server(world, token=token, rate_limit=rate_limit, **options)
    server.start(port)
    try:
        yield server
    finally:
        server.stop()


class _QuietHandler(WSGIRequestHandler):
    """Logs nothing by itself (requests are in `Server.requests`) and leaves `Date` to the world."""

    # An answer is one packet where it fits, and none waits for the acknowledgement of another.
    wbufsize = 65_536
    disable_nagle_algorithm = True

    def send_response(self, code: int, message: str | None = None) -> None:
        """Send the status line alone."""
        self.send_response_only(code, message)

    def finish(self) -> None:
        """Close, also where the connection is broken and what is buffered can no more be sent."""
        try:
            super().finish()
        except OSError:
            self.rfile.close()

    def log(self, _type: str, message: str, *args: Any) -> None:
        """Hand messages to this module's logger."""
        log.debug(message, *args)


def _from_app(request: Request) -> Response:
    return Response.from_app(create_app(), request.environ, buffered=True)


def _add_etag(request: Request, response: Response) -> None:
    """Give *response* its ETag, which holds for this token only; turn it into a 304 if it is
    known."""
    whose = request.headers.get("Authorization", "").encode()
    tag = hashlib.sha256(whose + b"\0" + response.get_data()).hexdigest()
    response.set_etag(tag, weak=True)
    response.headers["Cache-Control"] = "private, max-age=60, s-maxage=60"
    response.headers["Vary"] = "Accept, Authorization, Cookie, X-GitHub-OTP"
    known: ETags = request.if_none_match
    if known.contains_weak(tag):
        response.status_code = 304
        response.set_data(b"")
        for header in ("Content-Length", "Content-Type"):
            response.headers.pop(header, None)


def _broken(
    response: Response, body_bytes: int, environ: "WSGIEnvironment", start_response: "StartResponse"
) -> Iterator[bytes]:
    body = response.get_data()
    response.headers["Content-Length"] = str(len(body))
    write = start_response(response.status, response.headers.to_wsgi_list())
    write(body[:body_bytes])
    yield b""
    _hang_up(environ)


def _hang_up(environ: "WSGIEnvironment") -> None:
    environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    raise ConnectionAbortedError("broken on purpose")
