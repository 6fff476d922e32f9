"""What the parts of a delivery cost by themselves, on the thread that answers."""

import hmac
import io
import os
import statistics
import time
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import redis
from flask import Flask

from actionsight.event_buffer import COMPRESSION_LEVEL
from actionsight.settings import Settings
from api.app import create_app
from api.webhooks.signature import sign

SECONDS = 0.5


def print_breakdown(bodies: Sequence[bytes], settings: Settings, folder: Path) -> None:
    """Print the median of each part over these bodies.

    Args:
        folder: on the disk that Redis writes to.
    """
    secret = settings.github_webhook_secret[0].encode()
    packed = [zlib.compress(body, COMPRESSION_LEVEL) for body in bodies]
    sizes = [statistics.mean(map(len, each)) for each in (bodies, packed)]
    print(f"{len(bodies)} payloads, mean {sizes[0]:,.0f} bytes, compressed {sizes[1]:,.0f}")
    _print("HMAC-SHA256", bodies, lambda body: hmac.digest(secret, body, "sha256"))
    _print("zlib", bodies, lambda body: zlib.compress(body, COMPRESSION_LEVEL))
    with redis.Redis.from_url(str(settings.redis_url)) as client:

        def add(data: bytes) -> object:
            return client.xadd("parts", {"body": data})

        for policy in ("no", "always"):
            client.config_set("appendfsync", policy)
            _print(f"XADD, appendfsync {policy}", packed, add)
    with (folder / "synced").open("ab", buffering=0) as file:

        def write(data: bytes) -> None:
            file.write(data)
            os.fdatasync(file.fileno())

        _print("a write and fdatasync alone", packed, write)
    requests = [_environ(body, sign(secret, body).decode()) for body in bodies]
    app = create_app(settings)
    app.extensions["event_buffer"] = _Nowhere()
    _print("the view without its Redis", requests, _calling(app))


def _print(label: str, inputs: Sequence[Any], part: Callable[[Any], object]) -> None:
    times: list[float] = []
    end = time.perf_counter() + SECONDS
    while (began := time.perf_counter()) < end:
        part(inputs[len(times) % len(inputs)])
        times.append(time.perf_counter() - began)
    print(f"{label:<30} {statistics.median(times) * 1e6:7,.0f} µs")


class _Nowhere:
    """An event buffer that keeps nothing, but compresses like the real one."""

    def append(self, _headers: object, body: bytes) -> str:
        zlib.compress(body, COMPRESSION_LEVEL)
        return "0-0"


def _environ(body: bytes, signature: str) -> tuple[bytes, dict[str, Any]]:
    return body, {
        **os.environ,  # as granian does
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/webhooks/github",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_LENGTH": str(len(body)),
        "CONTENT_TYPE": "application/json",
        "HTTP_HOST": "127.0.0.1",
        "HTTP_USER_AGENT": "GitHub-Hookshot/0000000",
        "HTTP_X_GITHUB_EVENT": "workflow_run",
        "HTTP_X_GITHUB_DELIVERY": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
        "HTTP_X_HUB_SIGNATURE_256": signature,
        "wsgi.url_scheme": "http",
        "wsgi.input_terminated": True,
    }


def _calling(app: Flask) -> Callable[[tuple[bytes, dict[str, Any]]], object]:
    """Calls an application as the server does; fails where the answer is not a 202."""

    def start(status: str, *_: object) -> None:
        if not status.startswith("202"):
            raise RuntimeError(f"a request was answered by {status}")

    def call(request: tuple[bytes, dict[str, Any]]) -> object:
        body, environ = request
        return b"".join(app.wsgi_app({**environ, "wsgi.input": io.BytesIO(body)}, start))  # pyrefly: ignore[bad-argument-type]

    return call
