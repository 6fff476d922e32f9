"""Requests that leave the API: for GitHub alone, with an end in time, and to nobody else.

No redirect is followed (secrets would go where no setting points), `~/.netrc` is not read, and
nothing of a request or an answer is logged beyond its kind.
"""

import os
import time
from pathlib import Path
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from requests.utils import get_environ_proxies

from actionsight.authorities import ssl_context

# To connect, and between two parts of the answer. A person waits.
CONNECT_SECONDS = 3.05
READ_SECONDS = 8.0
# All of an answer, however slowly it comes.
WHOLE_SECONDS = 10.0
_PART_BYTES = 65_536


class TooSlowError(requests.RequestException):
    """The answer is not there in time."""


def send(
    method: str,
    url: str,
    *,
    auth: AuthBase | None = None,
    ca_file: Path | None = None,
    deadline: float | None = None,
    **options: Any,
) -> requests.Response:
    """Send one request.

    Args:
        ca_file: authorities that are trusted beside the usual ones.
        deadline: by `time.monotonic`, when the whole answer must be there; ten seconds otherwise.

    Raises:
        requests.RequestException: no whole answer came in time.
    """
    ends = min(deadline or float("inf"), time.monotonic() + WHOLE_SECONDS)
    with requests.Session() as session:
        guard(session, url, ca_file)
        response = session.request(
            method,
            url,
            auth=auth,
            timeout=_left(ends),
            allow_redirects=False,
            stream=True,
            **options,
        )
        with response:
            response._content = _read(response, ends)
        return response


def guard(session: requests.Session, url: str, ca_file: Path | None) -> None:
    """Let a session go to this address by the environment's proxies, with what it was given."""
    session.trust_env = False  # it would read ~/.netrc
    session.proxies.update(get_environ_proxies(url))
    session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or True
    if ca_file is not None:
        session.mount("https://", _TrustingAdapter(ca_file))


class _TrustingAdapter(HTTPAdapter):
    def __init__(self, ca_file: Path) -> None:
        self._context = ssl_context(ca_file)
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options, ssl_context=self._context)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        return super().proxy_manager_for(proxy, **options, ssl_context=self._context)


def _left(ends: float) -> tuple[float, float]:
    left = ends - time.monotonic()
    if left <= 0:
        raise TooSlowError
    return min(CONNECT_SECONDS, left), min(READ_SECONDS, left)


def _read(response: requests.Response, ends: float) -> bytes:
    parts = []
    try:
        while part := response.raw.read1(_PART_BYTES, decode_content=True):
            parts.append(part)
            if time.monotonic() > ends:
                raise TooSlowError
    except urllib3.exceptions.HTTPError as error:
        raise requests.ConnectionError(type(error).__name__) from None
    return b"".join(parts)
