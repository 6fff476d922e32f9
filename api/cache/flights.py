"""Expensive questions: those that read facts. How many are computed at once, and equal ones once.

    of equal questions at the same moment, in all processes:   one is computed, the others wait
    of one principal, in all processes:                        one per route, four in all
    of this process:                                           as many as half of the reading pool

More is refused, so that cheap questions keep their connections; whoever asks again before
`Retry-After` is over takes a place, or is refused, before anybody looks who they are: of many who
come when one is free, one goes on. Whoever waits holds none, and asks anew afterwards: the answer
is in the cache by then, under a key of what that principal may see. A process that dies while it
computes is waited for no longer than `FLIGHT_SECONDS`. While the cache server is away, the bound of
the process is the only one.
"""

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, TypeAlias, TypeVar, cast

import redis
from flask import Flask, current_app, g, request
from redis.lock import Lock

from actionsight.settings import Settings
from api.auth.access import current_principal
from api.auth.authentication import Principal, credential_of
from api.cache_server import Outage, connect
from api.current import current_settings
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
RETRY_SECONDS = 2

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


# A digest of a credential, and a route.
Question: TypeAlias = tuple[bytes | None, str]


class _Places:
    """So many at once; safe to share between threads."""

    def __init__(self, most: int) -> None:
        self._lock = threading.Lock()
        self._free = most

    def take(self) -> bool:
        """Take a place, if one is free."""
        with self._lock:
            if self._free == 0:
                return False
            self._free -= 1
            return True

    def give_back(self) -> None:
        """Let another have it."""
        with self._lock:
            self._free += 1


class _Refused:
    """Who was refused a moment ago; safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until: dict[Question, float] = {}

    def note(self, question: Question) -> None:
        """Remember a refusal for as long as its `Retry-After` says."""
        now = time.monotonic()
        with self._lock:
            self._until = {each: end for each, end in self._until.items() if end > now}
            self._until[question] = now + RETRY_SECONDS

    def holds(self, question: Question) -> bool:
        """Whether it was refused, and asks again too soon."""
        return time.monotonic() < self._until.get(question, 0)


class Flights:
    """What is being computed; safe to share between threads and to make before a fork."""

    def __init__(self, settings: Settings) -> None:
        self._cache = connect(settings.cache_url) if settings.cache_url else None
        self.outage = Outage("each process bounds expensive questions by itself")
        self._computing = _Places(MOST)
        self._waiting = _Places(MOST_WAITING)
        self._refused = _Refused()

    @contextmanager
    def one(self, key: str, route: str) -> Generator[None]:
        """The answer with this key is computed within this context, for the principal who asks.

        Raises:
            UnderWay: somebody computes it already.
            Problem: 429, too much is being computed.
        """
        name = f"{PREFIX}:{key}"
        with self._flight(name), self._place(), self._slot_of_principal(route):
            yield

    def refuse_early(self) -> None:
        """Let who was refused by this route a moment ago have a place now, or refuse them again.

        Raises:
            Problem: 429.
        """
        question = _question()
        if not self._refused.holds(question):
            return
        if self._computing.take():
            g.has_place = True
            return
        self._refused.note(question)
        g.is_refused_early = True
        raise _too_expensive()

    def give_back_early(self) -> None:
        """Let others have the place that this request has, where it computes nothing in it."""
        if g.pop("has_place", False):
            self._computing.give_back()

    def wait(self, name: str) -> None:
        """Return once a flight has ended.

        Raises:
            Problem: 429, it takes too long, or too many wait.
        """
        self.give_back_early()
        if not self._waiting.take():
            raise _too_expensive()
        try:
            end = time.monotonic() + FLIGHT_SECONDS
            while self._call(lambda cache: cache.exists(name)):
                if time.monotonic() > end:
                    raise _too_expensive()
                time.sleep(PAUSE_SECONDS)
        finally:
            self._waiting.give_back()

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
    def _place(self) -> Generator[None]:
        if not g.pop("has_place", False) and not self._computing.take():
            self._refused.note(_question())
            raise _too_expensive()
        try:
            yield
        finally:
            self._computing.give_back()

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
    flights = Flights(settings)
    app.extensions[_EXTENSION] = flights
    app.teardown_request(lambda _: flights.give_back_early())


def flights_of(app: Flask) -> Flights:
    """What is being computed, as an application knows it."""
    extension: Any = app.extensions[_EXTENSION]
    return cast(Flights, extension)


def current_flights() -> Flights:
    """What is being computed, as the application knows it that answers now."""
    return flights_of(current_app)


def refuse_early() -> None:
    """Before it is looked who asks: refuse who asks again too soon, while too much is computed.

    Raises:
        Problem: 429.
    """
    current_flights().refuse_early()


def _question() -> Question:
    """Who asks, by what they send, and which route."""
    rule = request.url_rule.rule if request.url_rule else ""
    return credential_of(request, current_settings()), rule


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
        headers={"Retry-After": str(RETRY_SECONDS)},
    )
