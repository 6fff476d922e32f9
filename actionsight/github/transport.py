"""HTTP to GitHub: connections, headers, and what came back or did not."""

import socket
import threading
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlencode, urlsplit

import orjson
import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from actionsight.authorities import ssl_context
from actionsight.github.errors import UnexpectedResponseError
from actionsight.loopback import is_loopback

API_VERSION = "2022-11-28"
USER_AGENT = "actionsight"
CONNECTIONS = 100
_HEADERS = {
    "Accept": "application/vnd.github+json",
    "Accept-Encoding": "gzip",
    "User-Agent": USER_AGENT,
    "X-GitHub-Api-Version": API_VERSION,
}

Params = Mapping[str, str | int]


class Timeout(NamedTuple):
    """How long a request may take to connect, and as a whole: what trickles in never times out
    between two bytes."""

    connect_seconds: float
    total_seconds: float


# GitHub itself aborts a request after 10 s; the rest is for the way.
TIMEOUT = Timeout(connect_seconds=10.0, total_seconds=20.0)


@dataclass(frozen=True)
class HTTPResponse:
    """What came back, whatever its status."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def message(self) -> str:
        """GitHub's own words."""
        try:
            return str(orjson.loads(self.body)["message"])[:200]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return "no reason given"


class TransientError(Exception):
    """A request that failed in a way that may pass."""

    def __init__(self, says: str, *, is_slow: bool = False) -> None:
        super().__init__(says)
        self.is_slow = is_slow


class _Connection(HTTPConnection):
    """A connection that is cut when the response (its body, too) takes too long as a whole."""

    sock: Any
    timeout: Any

    def getresponse(self) -> Any:
        is_over = threading.Event()

        def cut() -> None:
            is_over.set()
            with suppress(OSError, AttributeError):
                self.sock.shutdown(socket.SHUT_RDWR)

        # By now urllib3 has set it to what is left of the whole.
        end = threading.Timer(self.timeout, cut)
        end.daemon = True
        end.start()
        try:
            return super().getresponse()
        finally:
            end.cancel()
            if is_over.is_set():
                # What came until then may look like all of it, or like a broken connection.
                raise _TotalTimeoutError


class _TotalTimeoutError(urllib3.exceptions.TimeoutError):
    pass


class _SecureConnection(_Connection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection  # pyrefly: ignore[bad-assignment]  # as urllib3 wants it


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection  # pyrefly: ignore[bad-assignment]


class Transport:
    """Connections to one host, kept open and shared by all threads; they read no `~/.netrc`.

    Attributes:
        proxy: the address of the proxy by which they go, without its password; None: directly.
        ca_file: authorities that are trusted beside the system's.
    """

    def __init__(self, api_url: str, ca_file: Path | None = None) -> None:
        self.api_url = api_url.rstrip("/")
        self.ca_file = ca_file
        parts = urlsplit(self.api_url)
        self._host = parts[:2]
        proxy = urllib.request.getproxies().get(parts.scheme)
        if proxy and (is_loopback(self.api_url) or urllib.request.proxy_bypass(parts.netloc)):
            proxy = None
        trust = ssl_context(ca_file)
        self.proxy: str | None = None
        if proxy:
            self.proxy, proxy_headers = _by_proxy(proxy)
            self._pools: urllib3.PoolManager = urllib3.ProxyManager(
                self.proxy,
                maxsize=CONNECTIONS,
                proxy_headers=proxy_headers,
                proxy_ssl_context=trust,
                ssl_context=trust,
            )
        else:
            self._pools = urllib3.PoolManager(maxsize=CONNECTIONS, ssl_context=trust)
        self._pools.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}

    def url(self, path: str, params: Params | None = None) -> str:
        """The address of a path below the API's root; a whole address must lie at its host.

        Raises:
            UnexpectedResponseError: a link to another host, where no token may go.
        """
        url = path if "://" in path else f"{self.api_url}/{path.lstrip('/')}"
        if urlsplit(url)[:2] != self._host:
            raise UnexpectedResponseError(f"GitHub links to another host: {urlsplit(url).netloc}")
        return f"{url}?{urlencode(params)}" if params else url

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout: Timeout = TIMEOUT,
    ) -> HTTPResponse:
        """Send one request; a redirect is not followed.

        Args:
            headers: beside those that every request has, or in their place.

        Raises:
            TransientError: no whole response came.
        """
        connect_seconds, total_seconds = timeout
        try:
            response = self._pools.urlopen(
                method,
                url,
                body=body,
                headers={**_HEADERS, **(headers or {})},
                redirect=False,
                retries=False,
                timeout=urllib3.Timeout(connect=connect_seconds, total=total_seconds),
            )
        except urllib3.exceptions.ReadTimeoutError as error:
            raise TransientError(
                f"no answer in time ({type(error).__name__})", is_slow=True
            ) from None
        except _TotalTimeoutError:
            raise TransientError("no whole answer in time", is_slow=True) from None
        except urllib3.exceptions.HTTPError as error:
            raise TransientError(f"a broken connection ({type(error).__name__})") from None
        return HTTPResponse(response.status, response.headers, response.data)

    def close(self) -> None:
        """Close its connections."""
        self._pools.clear()


def bearer(token: str | None) -> dict[str, str]:
    """The header by which a token is sent; None: nobody asks."""
    return {"Authorization": f"Bearer {token}"} if token else {}


def _by_proxy(url: str) -> tuple[str, dict[str, str]]:
    """A proxy's address, and the headers by which it knows who asks (urllib3 ignores the former's
    user and password)."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    address = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    if parts.username is None:
        return address, {}
    who = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return address, dict(urllib3.make_headers(proxy_basic_auth=who))
