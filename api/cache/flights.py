"""Expensive questions: those that read facts. How many are computed at once, and equal ones once.

    of equal questions at the same moment, in all processes:   one is computed, the others wait
    of one principal, in all processes:                        one per route, four in all
    of this process:                                           as many as half of the reading pool

More is refused, so that cheap questions keep their connections. Whoever waits holds none, and asks
anew afterwards: the answer is in the cache by then, under a key of what that principal may see. A
process that dies while it computes is waited for no longer than `FLIGHT_SECONDS`. While the cache
server is away, the bound of the process is the only one.
"""

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, TypeVar, cast

import redis
from flask import Flask, current_app
from redis.lock import Lock

from actionsight.settings import Settings
from api.auth.access import current_principal
from api.auth.authentication import Principal
from api.cache_server import Outage, connect
from api.database import POOL_SIZE
from api.errors import Kind, Problem

PREFIX = "actionsight:flights"
MOST = POOL_SIZE // 2
MOST_OF_PRINCIPAL = 4
# Threads that wait for what others compute; the rest goes on to answer.
MOST_WAITING = 8
# No statement takes longer than a third of this.
FLIGHT_SECONDS = 30
PAUSE_SECONDS = 0.02
RETRY_SECONDS = "2"

_EXTENSION = "flights"
# By the server's clock: one for all processes. What was not given back ends by itself.
_TAKE = """
local now = tonumber(redis.call('time')[1])
redis.call('zremrangebyscore', KEYS[1], '-inf', now)
if redis.call('zscore', KEYS[1], ARGV[1]) or redis.call('zcard', KEYS[1]) >= tonumber(ARGV[2]) then
    return 0
end
redis.call('zadd', KEYS[1], now + tonumber(ARGV[3]), ARGV[1])
redis.call('expire', KEYS[1], ARGV[3])
return 1
"""

T = TypeVar("T")


class UnderWay(Exception):  # noqa: N818 it is no error
    """An equal question is being computed: the view is to let go of what it holds, and to ask again
    once `Flights.wait` returns.

    Attributes:
        name: of the flight.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class Flights:
    """What is being computed; safe to share between threads and to make before a fork."""

    def __init__(self, settings: Settings) -> None:
        self._cache = connect(settings.cache_url) if settings.cache_url else None
        self.outage = Outage("each process bounds expensive questions by itself")
        self._computing = threading.BoundedSemaphore(MOST)
        self._waiting = threading.BoundedSemaphore(MOST_WAITING)

    @contextmanager
    def one(self, key: str, route: str) -> Generator[None]:
        """The answer with this key is computed within this context, for the principal who asks.

        Raises:
            UnderWay: somebody computes it already.
            Problem: 429, too much is being computed.
        """
        name = f"{PREFIX}:{key}"
        with self._flight(name), self._slot_of_principal(route), _held(self._computing):
            yield

    def wait(self, name: str) -> None:
        """Return once a flight has ended.

        Raises:
            Problem: 429, it takes too long, or too many wait.
        """
        with _held(self._waiting):
            end = time.monotonic() + FLIGHT_SECONDS
            while self._call(lambda cache: cache.exists(name)):
                if time.monotonic() > end:
                    raise _too_expensive()
                time.sleep(PAUSE_SECONDS)

    def close(self) -> None:
        """Close the connections to the cache server."""
        if self._cache is not None:
            self._cache.close()

    @contextmanager
    def _flight(self, name: str) -> Generator[None]:
        lock: Lock | None = self._call(lambda cache: cache.lock(name, timeout=FLIGHT_SECONDS))
        # None: the server did not answer.
        is_taken = lock and self._call(lambda _: lock.acquire(blocking=False))
        if is_taken is False:
            raise UnderWay(name)
        try:
            yield
        finally:
            if lock and is_taken:
                self._call(lambda _: lock.release())

    @contextmanager
    def _slot_of_principal(self, route: str) -> Generator[None]:
        key = f"{PREFIX}:{_name_of(current_principal())}"
        is_taken = self._call(
            lambda cache: cache.eval(
                _TAKE, 1, key, route, str(MOST_OF_PRINCIPAL), str(FLIGHT_SECONDS)
            )
        )
        if is_taken == 0:
            raise _too_expensive()
        try:
            yield
        finally:
            if is_taken:
                self._call(lambda cache: cache.zrem(key, route))

    def _call(self, ask: Callable[[redis.Redis], T]) -> T | None:
        """What the cache server answers; None where it does not."""
        if self._cache is None or self.outage.is_on:
            return None
        try:
            return ask(self._cache)
        except redis.exceptions.LockError:
            return None  # it took too long, and another request computes it now
        except redis.RedisError as error:
            self.outage.note(error)
            return None


def init_app(app: Flask, settings: Settings) -> None:
    """Let this application know what is being computed."""
    app.extensions[_EXTENSION] = Flights(settings)


def flights_of(app: Flask) -> Flights:
    """What is being computed, as an application knows it."""
    extension: Any = app.extensions[_EXTENSION]
    return cast(Flights, extension)


def current_flights() -> Flights:
    """What is being computed, as the application knows it that answers now."""
    return flights_of(current_app)


@contextmanager
def _held(semaphore: threading.BoundedSemaphore) -> Generator[None]:
    if not semaphore.acquire(blocking=False):
        raise _too_expensive()
    try:
        yield
    finally:
        semaphore.release()


def _name_of(principal: Principal) -> str:
    return (
        f"token {principal.token_id}" if principal.user_id is None else f"user {principal.user_id}"
    )


def _too_expensive() -> Problem:
    return Problem(
        HTTPStatus.TOO_MANY_REQUESTS,
        "Too much is being computed: one question per viewer and route, four in all. Ask again "
        "in a moment; what was computed a moment ago costs nothing.",
        kind=Kind.TOO_EXPENSIVE,
        headers={"Retry-After": RETRY_SECONDS},
    )
