"""Clients of Redis-compatible servers, as all parts make them."""

from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel

from actionsight.settings import SENTINELS

SENTINEL_PORT = 26379


def connect(url: str, *, timeout_seconds: float, pause_seconds: float = 0.0) -> redis.Redis:
    """A client that connects when it is first used, and anew in a child process.

    A connection that turns out to be of no use is closed and opened again once: one that the server
    closed meanwhile, or that stalls, and one to a server that became a replica, since the primary
    is found anew by the same name, or asked of the Sentinels. A command that is sent twice by that
    must be harmless.

    Args:
        url: `redis://`, `rediss://` (TLS) or `unix://` as redis-py reads it, or of Sentinels, which
            say where the primary of a name is:
            `redis+sentinel://user:password@host:26379,host:26379/name/0`, `rediss+sentinel://` with
            TLS to both; user and password are of the servers, `?sentinel_username=` and
            `?sentinel_password=` of the Sentinels.
        timeout_seconds: for connecting and for each answer.
        pause_seconds: before the second try.
    """
    given: dict[str, Any] = {
        "socket_timeout": timeout_seconds,
        "socket_connect_timeout": timeout_seconds,
        # Else each connection looks up redis-py's version in its metadata, and tells the server.
        "driver_info": None,
        "retry": Retry(
            ConstantBackoff(pause_seconds),
            1,
            supported_errors=(redis.ConnectionError, redis.TimeoutError, redis.ReadOnlyError),
        ),
    }
    if has_sentinels(url):
        return _primary_of_sentinels(url, given)
    return redis.Redis.from_url(url, **given)


def has_sentinels(url: str) -> bool:
    """Whether the address names Sentinels, which replace a primary that is away by a replica."""
    return url.startswith(SENTINELS)


def _primary_of_sentinels(url: str, given: dict[str, Any]) -> redis.Redis:
    parts = urlsplit(url)
    owner, _, hosts = parts.netloc.rpartition("@")
    user, _, password = map(unquote, owner.partition(":"))
    name, _, number = parts.path.strip("/").partition("/")
    query = dict(parse_qsl(parts.query))
    own = {
        "username": query.pop("sentinel_username", None),
        "password": query.pop("sentinel_password", None),
    }
    if parts.scheme.startswith("rediss"):
        given = {**given, "ssl": True, **query}
    sentinels = [urlsplit(f"//{host}") for host in hosts.split(",")]
    return Sentinel(
        [(each.hostname, each.port or SENTINEL_PORT) for each in sentinels],
        sentinel_kwargs={**given, **own},
        **given,
    ).master_for(
        unquote(name), username=user or None, password=password or None, db=int(number or 0)
    )
