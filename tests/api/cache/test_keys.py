"""A key differs whenever anything differs on which an answer depends, and by nothing else."""

import inspect
from dataclasses import fields
from datetime import date

import pytest

from api.cache.keys import CacheKey
from api.pagination import Page

pytestmark = pytest.mark.unit

PAGE = Page(50, None, b"")
KEY = CacheKey("/stats", {"event": ["push"]}, (1, 2), PAGE)


def test_the_same_key_in_the_same_state_has_the_same_digest() -> None:
    again = CacheKey("/stats", {"event": ["push"]}, (1, 2), Page(50, None, b""))
    assert KEY.digest("state") == again.digest("state")


def test_whatever_differs_gives_another_digest() -> None:
    keys = [
        KEY,
        CacheKey("/workflows", KEY.applied, (1, 2), PAGE),
        CacheKey("/stats", {}, (1, 2), PAGE),
        CacheKey("/stats", {"event": ["pull_request"]}, (1, 2), PAGE),
        CacheKey("/stats", {"event": ["push", "pull_request"]}, (1, 2), PAGE),
        CacheKey("/stats", {"event": ["pull_request", "push"]}, (1, 2), PAGE),
        CacheKey("/stats", {"branch": ["push"]}, (1, 2), PAGE),
        CacheKey("/stats", KEY.applied, (1, 2, 3), PAGE),
        CacheKey("/stats", KEY.applied, (12,), PAGE),
        CacheKey("/stats", KEY.applied, (1,), PAGE),
        CacheKey("/stats", KEY.applied, (), PAGE),
        CacheKey("/stats", KEY.applied, (1, 2)),
        CacheKey("/stats", KEY.applied, (1, 2), Page(51, None, b"")),
        CacheKey("/stats", KEY.applied, (1, 2), Page(50, (7,), b"")),
        CacheKey("/stats", KEY.applied, (1, 2), Page(50, (date(2026, 1, 1), 7), b"")),
    ]
    digests = [key.digest("state") for key in keys]
    digests.append(KEY.digest("another state"))
    assert len(set(digests)) == len(digests)


def test_a_digest_is_short_and_tells_nothing() -> None:
    long = CacheKey("/stats", {"branch": ["secret-plan" * 10]}, tuple(range(10_000)))
    digest = long.digest("state")
    assert len(digest) == 64
    assert set(digest) <= set("0123456789abcdef")


def test_nobody_who_asks_is_part_of_a_key() -> None:
    assert {field.name for field in fields(CacheKey)} == {
        "route",
        "applied",
        "repository_ids",
        "page",
    }
    assert list(inspect.signature(CacheKey.digest).parameters) == ["self", "fingerprint"]
