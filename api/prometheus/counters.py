"""What the workers of this server have counted since it began: requests, and webhooks.

A server with several workers is started with PROMETHEUS_MULTIPROC_DIR (`actionsight.api_server`):
each of them counts in a file of its own there, mapped into its memory, and whichever is asked adds
up all files. A worker that died stays in the sums, so that they never shrink.
"""

import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from flask import Flask
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    values,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector

from api.prometheus.webhook_counters import WebhookCounters

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
# From a webhook, which takes a millisecond, to the statement timeout.
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
# What a client makes up must not make series.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "other"
NO_ROUTE = "none"

_EXTENSION = "counters"

# More than a worker writes: each series takes some hundred bytes.
_FILE_BYTES = 2**20

disable_created_metrics()


class _Allocated(MmapedDict):
    """A file of counters of which every block is there before it is mapped into memory: where a
    full disk has none for what is written there, the kernel kills who wrote it (SIGBUS)."""

    def __init__(self, filename: str, read_mode: bool = False) -> None:
        if not read_mode:
            try:
                with Path(filename).open("ab") as file:
                    os.posix_fallocate(file.fileno(), 0, _FILE_BYTES)
            except OSError:
                # This worker counts for itself alone, in memory: that is better than none.
                Path(filename).unlink(missing_ok=True)
                filename = f"/proc/self/fd/{os.memfd_create('counters')}"
        super().__init__(filename, read_mode)


values.MmapedDict = _Allocated  # which it offers no other way to choose


class Counters:
    """Safe to share between threads; a process that is forked from this one counts for itself.

    Attributes:
        webhooks: of the receiver.
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "actionsight_http_requests",
            "Requests that the API answered. Where statuses from 500 grow, its log says why.",
            ("method", "route", "status"),
            registry=self._registry,
        )
        self._durations = Histogram(
            "actionsight_http_request_duration_seconds",
            "How long the API took to answer. Where /stats is slow, look at the database first.",
            ("method", "route"),
            buckets=BUCKETS,
            registry=self._registry,
        )
        self._known: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self.webhooks = WebhookCounters(self._registry)

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answer.

        Args:
            route: as it was declared, never the path that was asked for.
        """
        key = (method, route, status)
        pair = self._known.get(key)
        if pair is None:
            # To find them by their labels would cost as much as to count.
            pair = (
                self._requests.labels(method, route, str(status)),
                self._durations.labels(method, route),
            )
            self._known[key] = pair
        pair[0].inc()
        pair[1].observe(seconds)

    def collect(self) -> Iterable[Metric]:
        """The counters of all workers."""
        source: Any = self._registry
        if folder := os.environ.get(FOLDER):
            source = MultiProcessCollector(None, folder)
        return cast(Iterable[Metric], source.collect())


class _Counting:
    """A WSGI application, counted from outside: hooks of Flask would cost the receiver twice as
    much, and would miss what fails before or after them."""

    def __init__(self, application: "WSGIApplication", counters: Counters) -> None:
        self._application = application
        self._count = counters.count

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        began = time.perf_counter()

        def start(status: str, *rest: Any) -> Any:
            seconds = time.perf_counter() - began
            method: str = environ["REQUEST_METHOD"]
            # As Flask found it; it lets go of the request when this returns.
            rule = environ["werkzeug.request"].url_rule
            self._count(
                method if method in METHODS else OTHER,
                rule.rule.replace("<id:", "<") if rule else NO_ROUTE,
                int(status[:3]),
                seconds,
            )
            return start_response(status, *rest)

        return self._application(environ, start)


def init_app(app: Flask) -> None:
    """Count what this application answers, in any way."""
    counters = Counters()
    app.extensions[_EXTENSION] = counters
    app.wsgi_app = _Counting(app.wsgi_app, counters)  # pyrefly: ignore[method-assign]  # Flask's documented way


def counters_of(app: Flask) -> Counters:
    """The counters of an application."""
    extension: Any = app.extensions[_EXTENSION]
    return cast(Counters, extension)
