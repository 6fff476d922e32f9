"""HTTP to GitHub's API: connections, headers, and what came back or did not."""

import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

import orjson
import urllib3

from ingestion.github.rest.errors import UnexpectedAnswerError

API_VERSION = "2022-11-28"
USER_AGENT = "actionsight"
# GitHub itself aborts a request after 10 s; the rest is for the way.
TIMEOUT = urllib3.Timeout(connect=10, read=30)
CONNECTIONS = 100

Params = Mapping[str, str | int]


@dataclass(frozen=True)
class Reply:
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


class Fault(Exception):  # noqa: N818 it never leaves this module
    """A request that failed in a way that may pass."""

    def __init__(self, says: str, *, is_slow: bool = False) -> None:
        super().__init__(says)
        self.is_slow = is_slow


class Transport:
    """Connections to one API, kept open and shared by all threads."""

    def __init__(self, api_url: str) -> None:
        self.api_url = api_url.rstrip("/")
        parts = urlsplit(self.api_url)
        self._host = parts[:2]
        proxy = urllib.request.getproxies().get(parts.scheme)
        if proxy and not urllib.request.proxy_bypass(parts.netloc):
            self._pools: urllib3.PoolManager = urllib3.ProxyManager(proxy, maxsize=CONNECTIONS)
        else:
            self._pools = urllib3.PoolManager(maxsize=CONNECTIONS)

    def url(self, path: str, params: Params | None = None) -> str:
        """The address of a path below the API's root; a whole address must lie at its host.

        Raises:
            UnexpectedAnswerError: a link to another host, where no token may go.
        """
        url = path if "://" in path else f"{self.api_url}/{path.lstrip('/')}"
        if urlsplit(url)[:2] != self._host:
            raise UnexpectedAnswerError(f"GitHub links to another host: {urlsplit(url).netloc}")
        return f"{url}?{urlencode(params)}" if params else url

    def get(self, url: str, token: str | None, etag: str | None) -> Reply:
        """Send one request.

        Raises:
            Fault: no whole answer came.
        """
        headers = {
            "Accept": "application/vnd.github+json",
            "Accept-Encoding": "gzip",
            "User-Agent": USER_AGENT,
            "X-GitHub-Api-Version": API_VERSION,
        }
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if etag:
            headers["If-None-Match"] = etag
        try:
            response = self._pools.urlopen(
                "GET", url, headers=headers, redirect=False, retries=False, timeout=TIMEOUT
            )
        except urllib3.exceptions.ReadTimeoutError as error:
            raise Fault(f"no answer in time ({type(error).__name__})", is_slow=True) from None
        except urllib3.exceptions.HTTPError as error:
            raise Fault(f"a broken connection ({type(error).__name__})") from None
        return Reply(response.status, response.headers, response.data)

    def close(self) -> None:
        """Close its connections."""
        self._pools.clear()
