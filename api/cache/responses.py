"""Answers with a tag: not computed where the client has them, computed once where it has not."""

from collections.abc import Callable

from flask import Response

from api.cache.backend import cache
from api.cache.data_version import read_state
from api.cache.flights import current_flights
from api.cache.keys import Question, answer_key
from api.database import Connection
from api.responses import tagged_response


def answer(
    connection: Connection,
    question: Question,
    compute: Callable[[], bytes],
    *,
    is_expensive: bool = False,
) -> Response:
    """The answer to a question; `compute` gives its body where the cache does not know it.

    An expensive one is computed once for all who ask it at the same moment, and bounded in number.

    All of it happens in the transaction of `connection`: the versions in the key are those of the
    snapshot from which the body is computed, so that no body is kept under versions of another.

    Raises:
        UnderWay: somebody computes it; the endpoint asks again afterwards.
        Problem: 429, too much is being computed.
    """
    state = read_state(connection, question.repository_ids)
    key = answer_key(question, state.fingerprint)

    def read_body() -> bytes:
        if (body := _find(key)) is not None:
            return body
        if not is_expensive:
            return _keep(key, compute())
        with current_flights().one(key, question.route):
            body = _find(key)  # who computed it may have ended in between
            return _keep(key, compute()) if body is None else body

    return tagged_response(key, read_body, state.freshness)


def part(connection: Connection, question: Question, compute: Callable[[], bytes]) -> bytes:
    """A part of an answer that itself changes too often to be kept.

    As with `answer`, the connection is a transaction of one snapshot.
    """
    key = answer_key(question, read_state(connection, question.repository_ids).fingerprint)
    body = _find(key)
    return _keep(key, compute()) if body is None else body


def _find(key: str) -> bytes | None:
    body: bytes | None = cache.get(key)
    return body


def _keep(key: str, body: bytes) -> bytes:
    cache.set(key, body)
    return body
