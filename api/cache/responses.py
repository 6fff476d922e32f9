"""Answers with a tag: not computed where the client has them, computed once where it has not."""

from collections.abc import Callable

from flask import Response

from api.cache.backend import cache
from api.cache.data_version import read_data_version
from api.cache.flights import current_flights
from api.cache.keys import CacheKey
from api.database import Connection
from api.responses import Body, tagged_response


def cached_response(
    connection: Connection,
    key: CacheKey,
    compute: Callable[[], Body],
    *,
    is_expensive: bool = False,
) -> Response:
    """The answer with this key; `compute` gives its body where the cache does not know it.

    An expensive one is computed once for all who ask it at the same moment, and bounded in number.

    All of it happens in the transaction of `connection`: the versions in the key are those of the
    snapshot from which the body is computed, so that no body is kept under versions of another.

    Raises:
        UnderWay: somebody computes it; the endpoint asks again afterwards.
        Problem: 429, too much is being computed.
    """
    version = read_data_version(connection, key.repository_ids)
    digest = key.digest(version.fingerprint)

    def read_body() -> Body:
        if (body := _find(digest)) is not None:
            return body
        if not is_expensive:
            return _keep(digest, compute())
        with current_flights().one(digest, key.route):
            body = _find(digest)  # who computed it may have ended in between
            return _keep(digest, compute()) if body is None else body

    return tagged_response(digest, read_body, version.freshness)


def cached_part(connection: Connection, key: CacheKey, compute: Callable[[], bytes]) -> bytes:
    """A part of an answer that itself changes too often to be kept.

    As with `cached_response`, the connection is a transaction of one snapshot.
    """
    digest = key.digest(read_data_version(connection, key.repository_ids).fingerprint)
    body = _find(digest)
    return (_keep(digest, Body(compute())) if body is None else body).plain().content


def _find(digest: str) -> Body | None:
    packed: bytes | None = cache.get(digest)
    return None if packed is None else Body.unpack(packed)


def _keep(digest: str, body: Body) -> Body:
    kept = body.compressed()
    cache.set(digest, kept.pack())
    return kept
