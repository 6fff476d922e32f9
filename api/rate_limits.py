"""Rate limits: how many requests a minute one client may send.

The window is fixed and begins with its client's first request. One counter per client is all that
it costs, however high the limit, and `Retry-After` is true: the whole quota is back by then. A
moving window would keep every request's time; that up to twice the quota can pass around a border
does no harm here, since the limits protect capacity.

A request is counted twice: by its address, generously, before anything is looked up; and by its
principal, once that is known, before anything is done for them. A principal over the limit is
remembered by what they sent, so that their next requests cost no look at the database.

Keys are made of our own ids and of addresses, never of what a client sent: a token is counted by
its id once it is known, and every attempt with an unknown one counts against the address.
"""

import hashlib
import ipaddress
import logging
import math
import threading
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import redis
from flask import Flask, Response, current_app, g, request
from flask_limiter import Limit, Limiter, RateLimitExceeded, RequestLimit
from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import RedisStorage

from actionsight.settings import Settings
from api.auth.access import Access, access_of
from api.auth.authentication import Principal
from api.auth.cookies import Cookies
from api.cache_server import Outage, connect
from api.current import current_settings
from api.errors import problem_response

logger = logging.getLogger(__name__)

PREFIX = "actionsight:limits"
WINDOW_SECONDS = 60
LIMIT_HEADER = "RateLimit"
POLICY_HEADER = "RateLimit-Policy"

_EXTENSION = "limits"
_EXHAUSTED = "limits.exhausted"
_SCOPE = "all"
_EARLY_SCOPE = "early"
_LOOKED_UP = frozenset({Access.OPTIONAL, Access.SESSION, Access.AUTHENTICATED})
_SCHEME = "fail-open+"


@dataclass(frozen=True)
class Policy:
    """So many requests a minute."""

    name: str
    quota: int

    @property
    def item(self) -> RateLimitItem:
        """The same for the library that counts."""
        return RateLimitItemPerMinute(self.quota)


# Before anybody is known: what no office behind one address sends, and what PostgreSQL bears.
ADDRESS = Policy("address", 6000)
# A page of charts asks for dozens of answers at once, and an office shares one address.
AUTHENTICATED = Policy("viewer", 1200)
ANONYMOUS = Policy("stranger", 300)
SIGN_IN = Policy("sign-in", 30)

# Each of these begins or ends a conversation with GitHub, for somebody who is not known yet.
SIGN_IN_ROUTES = frozenset({"/login", "/login/github/authorized"})
# Supervisors and balancers ask often, from one address, and take a process away that does not
# answer. GitHub delivers in bursts from few addresses and never again what was refused; strangers
# fail there by the signature, before anything is read. The page is a dozen files for whoever opens
# it, and what it asks for is counted.
EXEMPT_ROUTES = frozenset(
    {
        "/healthz",
        "/readyz",
        "/webhooks/github",
        "/app",
        "/app/<path:view>",
        "/app/assets/<name>",
    }
)


def is_limited(rule: str) -> bool:
    """Whether a route has a limit."""
    return rule not in EXEMPT_ROUTES


class FailOpenStorage(RedisStorage):
    """Counters on the cache server; while it is away nothing is counted, and every request passes.

    Attributes:
        outage: what is known of its being away.
    """

    STORAGE_SCHEME = [f"{_SCHEME}{scheme}" for scheme in ("redis", "rediss", "unix")]  # noqa: RUF012 as in the base

    def __init__(self, uri: str, **options: Any) -> None:
        pool = connect(uri.removeprefix(_SCHEME)).connection_pool
        super().__init__(uri, connection_pool=pool, key_prefix=PREFIX, **options)
        self.outage = Outage("requests pass without a limit")

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """The count with this request; 0 where nobody counts."""
        if self.outage.is_on:
            return 0
        try:
            return super().incr(key, expiry, amount)
        except redis.RedisError as error:
            self.outage.note(error)
            return 0

    def get(self, key: str) -> int:
        """The count; 0 where nobody counts."""
        if self.outage.is_on:
            return 0
        try:
            return super().get(key)
        except redis.RedisError as error:
            self.outage.note(error)
            return 0

    def get_expiry(self, key: str) -> float:
        """When the window ends; now, where nobody counts."""
        if self.outage.is_on:
            return time.time()
        try:
            return super().get_expiry(key)
        except redis.RedisError as error:
            self.outage.note(error)
            return time.time()

    def close(self) -> None:
        """Close the connections."""
        self.storage.close()


class _ClientLimiter(Limiter):
    """Flask-Limiter, which would do most of its work before it lets an exempt request pass: the
    receiver of webhooks would have to bear that with each delivery."""

    def _check_request_limit(
        self, callable_name: str | None = None, in_middleware: bool = True
    ) -> None:
        if not (_is_exempt() or _is_counted_later()):
            super()._check_request_limit(callable_name, in_middleware)


class _Exhausted:
    """Principals over their limit, by a digest of the credential that they were known by, until
    their quota is back. Of this process alone; safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._principals: dict[bytes, tuple[str, float]] = {}

    def note(self, credential: bytes, principal: str, reset_time: float) -> None:
        """Remember a principal until their quota is back (seconds of the epoch)."""
        now = time.time()
        with self._lock:
            self._principals = {
                key: kept for key, kept in self._principals.items() if kept[1] > now
            }
            self._principals[credential] = (principal, reset_time)

    def find(self, credential: bytes) -> str | None:
        """The principal; None: nobody who is over the limit, as far as this process knows."""
        principal, reset_time = self._principals.get(credential, (None, 0.0))
        return principal if time.time() < reset_time else None


def init_app(app: Flask, settings: Settings) -> None:
    """Limit this application's clients; without a cache server there is nowhere to count them.

    To be called after what finds out who asks, and after what adds to every answer: what this
    refuses is such an answer, too. `count_address` is to run before both.
    """
    if settings.cache_url is None:
        logger.warning("ACTIONSIGHT_CACHE_URL is not set: nobody is limited")
        return
    limiter = _ClientLimiter(
        _client_key,
        default_limits=[Limit(lambda: str(_policy().item), _client_key, scope=_SCOPE, shared=True)],
        storage_uri=f"{_SCHEME}{settings.cache_url}",
        strategy="fixed-window",
        # An address that no route has is limited, too.
        request_identifier=lambda: request.endpoint or "none",
    )
    limiter.init_app(app)
    app.extensions[_EXTENSION] = limiter
    app.extensions[_EXHAUSTED] = _Exhausted()
    app.register_error_handler(RateLimitExceeded, lambda _: _too_many(_policy()))
    app.after_request(_finish)


def count_address() -> Response | None:
    """Refuse, before anything is looked up, what comes from an address that sends too much, or of a
    principal that is known to be over the limit."""
    limiter: Limiter | None = current_app.extensions.get(_EXTENSION)
    if limiter is None or _is_exempt():
        return None
    if not limiter.limiter.hit(ADDRESS.item, _address_key(), _EARLY_SCOPE):
        g.is_refused_early = True
        return _too_many(ADDRESS)
    is_looked_up = access_of(current_app, request.blueprint) in _LOOKED_UP
    credential = _credential() if is_looked_up else None
    if credential and (principal := current_app.extensions[_EXHAUSTED].find(credential)):
        g.exhausted_principal = principal
        return _too_many(AUTHENTICATED)
    return None


def count_as(user_id: int) -> None:
    """Count this request for a person, where the view itself finds out who asks."""
    g.counted_user_id = user_id


def storage_of(app: Flask) -> FailOpenStorage | None:
    """The application's counters; None: there are none."""
    limiter = app.extensions.get(_EXTENSION)
    return limiter.storage if limiter else None


def _is_exempt() -> bool:
    # What a browser asks before it asks is answered from memory.
    return request.method == "OPTIONS" or not is_limited(_rule())


def _is_counted_later() -> bool:
    # Such a view finds the session itself; until then nobody knows for whom to count.
    return access_of(current_app, request.blueprint) is Access.SESSION


def _rule() -> str:
    return request.url_rule.rule if request.url_rule else ""


def _policy() -> Policy:
    if "is_refused_early" in g:
        return ADDRESS
    if _rule() in SIGN_IN_ROUTES:
        return SIGN_IN
    return ANONYMOUS if _principal() is None else AUTHENTICATED


def _principal() -> str | None:
    """The token or the user that is known to ask."""
    if exhausted := g.get("exhausted_principal"):
        return str(exhausted)
    principal: Principal | None = g.get("principal")
    if principal is not None and principal.token_id is not None:
        return f"token {principal.token_id}"
    user_id = g.get("counted_user_id") if principal is None else principal.user_id
    return None if user_id is None else f"user {user_id}"


def _client_key() -> str:
    if _policy() is SIGN_IN:
        return f"{_rule()} {_address()}"
    return _principal() or _address_key()


def _address_key() -> str:
    return f"address {_address()}"


def _credential() -> bytes | None:
    """A digest of what says who asks."""
    authorization = request.authorization
    text = authorization.token if authorization else None
    text = text or request.cookies.get(Cookies.of(current_settings()).session)
    return hashlib.sha256(text.encode()).digest() if text else None


def _address() -> str:
    """The client's address; of IPv6 the network that one customer gets, for he has all of it."""
    text = request.remote_addr or ""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return "unknown"
    if address.version == 4:
        return str(address)
    return str(address.ipv4_mapped or ipaddress.ip_network((address, 64), strict=False))


def _too_many(policy: Policy) -> Response:
    return problem_response(
        HTTPStatus.TOO_MANY_REQUESTS,
        f"More than {policy.quota} requests within {WINDOW_SECONDS} seconds; "
        "Retry-After says how many seconds to wait.",
    )


def _finish(response: Response) -> Response:
    """Say how much is left; count what was refused before it was counted, such as a bad token."""
    if _is_exempt():
        return response
    limiter: Limiter = current_app.extensions[_EXTENSION]
    policy, limit = _policy(), limiter.current_limit
    if limit is None:
        key = [_client_key(), _EARLY_SCOPE if policy is ADDRESS else _SCOPE]
        is_exceeded = not limiter.limiter.hit(policy.item, *key)
        limit = RequestLimit(limiter, policy.item, key, is_exceeded, shared=True)
        response = _too_many(policy) if is_exceeded else response
    window = limit.window
    seconds = max(0, math.ceil(window.reset_time - time.time()))
    if limit.breached:
        seconds = max(1, seconds)
        response.headers["Retry-After"] = str(seconds)
        _remember_exhausted(window.reset_time)
    if window.remaining < policy.quota:  # else this request was not counted either
        response.headers[POLICY_HEADER] = f'"{policy.name}";q={policy.quota};w={WINDOW_SECONDS}'
        response.headers[LIMIT_HEADER] = f'"{policy.name}";r={window.remaining};t={seconds}'
    return response


def _remember_exhausted(reset_time: float) -> None:
    credential = _credential()
    if credential and (principal := _principal()):
        current_app.extensions[_EXHAUSTED].note(credential, principal, reset_time)
