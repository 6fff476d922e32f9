"""Answers with a tag: not computed where the client has them, computed once where it has not."""

from collections.abc import Callable

from flask import Response

from api.answers import tagged_response
from api.cache.backend import cache
from api.cache.keys import Question, answer_key
from api.cache.state import read_state
from api.database import Connection


def answer(connection: Connection, question: Question, compute: Callable[[], bytes]) -> Response:
    """The answer to a question; `compute` gives its body where the cache does not know it.

    All of it happens in the transaction of `connection`: the versions in the key are those of the
    snapshot from which the body is computed, so that no body is kept under versions of another.
    """
    state = read_state(connection, question.repository_ids)
    key = answer_key(question, state.fingerprint)
    return tagged_response(key, lambda: _body(key, compute), state.freshness)


@cache.cached(make_cache_key=lambda key, _: key)
def _body(_key: str, compute: Callable[[], bytes]) -> bytes:
    return compute()
