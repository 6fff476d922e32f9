"""Answers with a tag: not computed where the client has them, computed once where it has not."""

from collections.abc import Callable
from contextlib import nullcontext

from flask import Response, current_app

from api.auth.access import current_principal
from api.cache.backend import cache, store_of
from api.cache.data_version import read_data_version, version_for
from api.cache.flights import current_flights
from api.cache.keys import CacheKey
from api.database import Connection, Reading
from api.responses import Body, is_known_to_client, not_modified_response, tagged_response


def cached_response(
    reading: Reading,
    key: CacheKey,
    compute: Callable[[], Body],
    *,
    is_expensive: bool = False,
) -> Response:
    """The answer with this key; `compute` gives its body where the cache does not know it.

    An expensive one is computed once for all who ask it at the same moment, and bounded in number.

    A body is computed in the transaction of `reading` and kept under the versions of that snapshot,
    so that none is kept under versions of another. One that is known costs no transaction.

    Raises:
        UnderWay: somebody computes it; the endpoint asks again afterwards.
        Problem: 429, too much is being computed.
    """
    version = version_for(reading, current_principal(), key.repository_ids)
    digest = key.digest(version.fingerprint)
    if is_known_to_client(digest):
        return not_modified_response(digest, version.freshness)
    body = _find(digest)
    if body is None:
        with current_flights().one(digest, key.route) if is_expensive else nullcontext():
            version = read_data_version(reading, key.repository_ids)
            snapshot_digest = key.digest(version.fingerprint)
            # Who computed it may have ended in between.
            if is_expensive or snapshot_digest != digest:
                body = _find(snapshot_digest)
            if body is None:
                body = _keep(snapshot_digest, compute())
        digest = snapshot_digest
    return tagged_response(digest, body, version.freshness)


def cached_part(connection: Connection, key: CacheKey, compute: Callable[[], bytes]) -> bytes:
    """A part of an answer that itself changes too often to be kept, computed over a connection
    whose transaction has one snapshot."""
    digest = key.digest(read_data_version(connection, key.repository_ids).fingerprint)
    body = _find(digest)
    return (_keep(digest, Body(compute())) if body is None else body).plain().content


def _find(digest: str) -> Body | None:
    packed: bytes | None = cache.get(digest)
    return None if packed is None else Body.unpack(packed)


def _keep(digest: str, body: Body) -> Body:
    if store_of(current_app) is None:
        return body
    kept = body.compressed()
    cache.set(digest, kept.pack())
    return kept
