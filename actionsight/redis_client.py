"""Clients of Redis-compatible servers, as all parts make them."""

import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry


def connect(url: str, *, timeout_seconds: float, pause_seconds: float = 0.0) -> redis.Redis:
    """A client that connects when it is first used, and anew in a child process.

    A connection that turns out to be of no use is closed and opened again once: one that the server
    closed meanwhile, or that stalls, and one to a server that became a replica, since the primary
    is found anew by the same name. A command that is sent twice by that must be harmless.

    Args:
        timeout_seconds: for connecting and for each answer.
        pause_seconds: before the second try.
    """
    return redis.Redis.from_url(
        url,
        socket_timeout=timeout_seconds,
        socket_connect_timeout=timeout_seconds,
        # Else each connection looks up redis-py's version in its metadata, and tells the server.
        driver_info=None,
        retry=Retry(
            ConstantBackoff(pause_seconds),
            1,
            supported_errors=(redis.ConnectionError, redis.TimeoutError, redis.ReadOnlyError),
        ),
    )
