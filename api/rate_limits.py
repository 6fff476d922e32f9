"""Rate limits: how many requests a minute one client may send.

The window is fixed and begins with its client's first request. One counter per client is all that
it costs, however high the limit, and `Retry-After` is true: the whole quota is back by then. A
moving window would keep every request's time; that up to twice the quota can pass around a border
does no harm here, since the limits protect capacity.

A request is counted twice: by its address, generously, before anything is looked up; and by its
principal, before anything is done for them. Who a credential belongs to is remembered, so that both
are counted at once, by one script on the cache server, and who is over the limit costs no look at
the database.

Keys are made of our own ids and of addresses, never of what a client sent: a token is counted by
its id once it is known, and every attempt with an unknown one counts against the address.
"""

import ipaddress
import logging
import math
import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from http import HTTPStatus
from typing import Any, NamedTuple, TypeAlias, cast

import redis
from flask import Flask, Response, current_app, g, request

from actionsight.settings import Settings
from api.auth.access import Access, access_of
from api.auth.authentication import Principal, credential_of
from api.cache_server import Outage, connect
from api.current import current_settings
from api.errors import problem_response

logger = logging.getLogger(__name__)

PREFIX = "actionsight:limits"
WINDOW_SECONDS = 60
LIMIT_HEADER = "RateLimit"
POLICY_HEADER = "RateLimit-Policy"

_EXTENSION = "limits"
_LOOKED_UP = frozenset({Access.OPTIONAL, Access.SESSION, Access.AUTHENTICATED})
# Credentials whose owners a process remembers: those that were sent last.
MOST_KNOWN = 10_000
# Count a request under each key; gives the count, and the milliseconds until its window ends.
_HIT = """
local counts = {}
for place, key in ipairs(KEYS) do
    local count = redis.call('incr', key)
    if count == 1 then redis.call('pexpire', key, ARGV[1]) end
    counts[place] = {count, redis.call('pttl', key)}
end
return counts
"""


@dataclass(frozen=True)
class Policy:
    """So many requests a minute, counted apart from other scopes."""

    name: str
    quota: int
    scope: str = "all"


# Before anybody is known: what no office behind one address sends, and what PostgreSQL bears.
ADDRESS = Policy("address", 6000, "early")
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


class Counted(NamedTuple):
    """A client's requests in their window, this one included, and how long it still takes."""

    count: int
    seconds: float


class Counters:
    """Counters on the cache server; while it is away nothing is counted, and every request passes.

    Attributes:
        outage: what is known of its being away.
    """

    def __init__(self, url: str) -> None:
        self._cache = connect(url)
        self._hit = self._cache.register_script(_HIT)
        self.outage = Outage("requests pass without a limit")

    def hit(self, keys: Iterable[str]) -> list[Counted] | None:
        """Count a request under these keys; None where nobody counts."""
        if self.outage.is_on:
            return None
        try:
            counts: Any = self._hit(
                keys=[f"{PREFIX}/{key}" for key in keys], args=[WINDOW_SECONDS * 1000]
            )
        except redis.RedisError as error:
            self.outage.note(error)
            return None
        return [Counted(count, max(0, left) / 1000) for count, left in counts]

    def close(self) -> None:
        """Close the connections."""
        self._cache.close()


class _Owners:
    """To whom credentials belong that were looked up before, by a digest. Of this process alone;
    safe to share between threads. It says under whom a request is counted, and opens nothing."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._names: OrderedDict[bytes, str] = OrderedDict()

    def note(self, credential: bytes, name: str) -> None:
        """Remember an owner."""
        with self._lock:
            self._names[credential] = name
            self._names.move_to_end(credential)
            if len(self._names) > MOST_KNOWN:
                self._names.popitem(last=False)

    def forget(self, credential: bytes | None) -> None:
        """It opens nothing any more."""
        with self._lock:
            self._names.pop(credential or b"", None)

    def find(self, credential: bytes | None) -> str | None:
        """The owner, as far as this process knows."""
        return None if credential is None else self._names.get(credential)


@dataclass(frozen=True)
class _Limits:
    """What an application counts by."""

    counters: Counters
    owners: _Owners


# By which policy a request is counted, and under which key.
Client: TypeAlias = tuple[Policy, str]


@dataclass
class _Request:
    """How the request that is answered now was counted.

    Attributes:
        counted: as whose it was counted so far.
        breached: of these the one who sent too much.
        credential: a digest of what says who asks, where that is looked up.
        owner: of the credential, as this process remembers it.
    """

    counted: dict[Client, Counted] = field(default_factory=dict)
    breached: Client | None = None
    credential: bytes | None = None
    owner: str | None = None


def init_app(app: Flask, settings: Settings) -> None:
    """Limit this application's clients; without a cache server there is nowhere to count them.

    To be called after what adds to every answer: what this refuses is such an answer, too.
    `count_early` is to run before anything is looked up, `count_principal` once it is known who
    asks.
    """
    if settings.cache_url is None:
        logger.warning("ACTIONSIGHT_CACHE_URL is not set: nobody is limited")
        return
    app.extensions[_EXTENSION] = _Limits(Counters(settings.cache_url), _Owners())
    app.after_request(_finish)


def count_early() -> Response | None:
    """Refuse, before anything is looked up, what comes from an address that sends too much, or of
    somebody who is known to be over the limit."""
    limits: _Limits | None = current_app.extensions.get(_EXTENSION)
    if limits is None or _is_exempt():
        return None
    g.limits = asked = _Request()
    clients = [(ADDRESS, _address_key())]
    if access_of(current_app, request.blueprint) in _LOOKED_UP:
        asked.credential = credential_of(request, current_settings())
        asked.owner = limits.owners.find(asked.credential)
    if asked.owner is not None:
        clients.append((AUTHENTICATED, asked.owner))
    elif asked.credential is None:
        clients.append(_client())
    return _count(asked, clients)


def count_principal() -> Response | None:
    """Refuse, before anything is done for them, who sends too much."""
    asked: _Request | None = g.get("limits")
    principal = _principal()
    if asked is None or principal is None:
        return None
    if asked.credential is not None and asked.owner != principal:
        _limits().owners.note(asked.credential, principal)
    return _count(asked, [(AUTHENTICATED, principal)])


def count_as(user_id: int) -> None:
    """Count this request for a person, where the view itself finds out who asks."""
    g.counted_user_id = user_id


def counters_of(app: Flask) -> Counters | None:
    """The application's counters; None: there are none."""
    limits: _Limits | None = app.extensions.get(_EXTENSION)
    return limits.counters if limits else None


def _asked() -> _Request:
    """What is known of the request; something before this may have refused it."""
    if "limits" not in g:
        g.limits = _Request()
    asked: _Request = g.limits
    return asked


def _limits() -> _Limits:
    extension: Any = current_app.extensions[_EXTENSION]
    return cast(_Limits, extension)


def _count(asked: _Request, clients: Iterable[Client]) -> Response | None:
    """Count the request as theirs, where it was not yet; the refusal, if one of them sent too
    much."""
    new = [client for client in clients if client not in asked.counted]
    if not new:
        return None
    counts = _limits().counters.hit(f"{policy.scope}/{key}" for policy, key in new)
    asked.counted.update(zip(new, counts or (), strict=False))
    for client in new:
        if client in asked.counted and asked.counted[client].count > client[0].quota:
            asked.breached = client
            return _too_many(client[0])
    return None


def _is_exempt() -> bool:
    # What a browser asks before it asks is answered from memory.
    return request.method == "OPTIONS" or not is_limited(_rule())


def _rule() -> str:
    return request.url_rule.rule if request.url_rule else ""


def _client() -> Client:
    """Who asks, as far as that is known now."""
    if _rule() in SIGN_IN_ROUTES:
        return SIGN_IN, f"{_rule()} {_address()}"
    principal = _principal()
    return (ANONYMOUS, _address_key()) if principal is None else (AUTHENTICATED, principal)


def _principal() -> str | None:
    """The token or the user that is known to ask."""
    if "is_refused_early" in g:  # it was not looked who asks
        return _asked().owner
    principal: Principal | None = g.get("principal")
    if principal is not None and principal.token_id is not None:
        return f"token {principal.token_id}"
    user_id = g.get("counted_user_id") if principal is None else principal.user_id
    return None if user_id is None else f"user {user_id}"


def _address_key() -> str:
    return f"address {_address()}"


def _address() -> str:
    """The client's address; of IPv6 the network that one customer gets, for he has all of it."""
    return _network(request.remote_addr or "")


@lru_cache(1024)
def _network(text: str) -> str:
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
    asked = _asked()
    client = asked.breached or _client()
    if asked.breached is None:
        if asked.owner is not None and client != (AUTHENTICATED, asked.owner):
            _limits().owners.forget(asked.credential)
        response = _count(asked, [client]) or response
    counted = asked.counted.get(client)
    if counted is None:
        return response
    policy, _ = client
    seconds = math.ceil(counted.seconds)
    if asked.breached is not None:
        seconds = max(1, seconds)
        response.headers["Retry-After"] = str(seconds)
    left = max(0, policy.quota - counted.count)
    response.headers.add(POLICY_HEADER, f'"{policy.name}";q={policy.quota};w={WINDOW_SECONDS}')
    response.headers.add(LIMIT_HEADER, f'"{policy.name}";r={left};t={seconds}')
    return response
