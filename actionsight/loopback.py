"""HTTP to servers of this machine: never by way of a proxy, whatever the environment says."""

import ipaddress
from typing import Any
from urllib.parse import urlsplit

import requests

HOST = "127.0.0.1"
# Servers of ours answer to this name, whatever address they listen at.
OUR_NAME = {"Host": "localhost"}


def reached_at(host: str) -> str:
    """Where this machine reaches a server that listens at an address of it, or at all of them."""
    address = ipaddress.ip_address(host)
    if not address.is_unspecified:
        return str(address)
    return HOST if address.version == 4 else "::1"


def root_of(host: str, port: int) -> str:
    """The root of a server of ours, by the address at which it listens."""
    name = reached_at(host)
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def get(url: str, **options: Any) -> requests.Response:
    """GET from a server of ours.

    Raises:
        requests.RequestException: it does not answer, or not in time.
    """
    return _request("GET", url, **options)


def post(url: str, **options: Any) -> requests.Response:
    """POST to a server of ours.

    Raises:
        requests.RequestException: it does not answer, or not in time.
    """
    return _request("POST", url, **options)


def without_proxy(environment: dict[str, str]) -> dict[str, str]:
    """The variables that keep other programs' requests to this machine away from a proxy."""
    listed = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    names = ",".join(filter(None, [listed, HOST, "localhost"]))
    return {"no_proxy": names, "NO_PROXY": names}


def is_loopback(url: str) -> bool:
    """Whether an address is on this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _request(method: str, url: str, *, timeout: float = 5, **options: Any) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.request(method, url, timeout=timeout, **options)
