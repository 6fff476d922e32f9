"""A key differs whenever anything differs on which an answer depends, and by nothing else."""

import inspect
from dataclasses import fields
from datetime import date

import pytest

from api.cache.keys import Question, answer_key
from api.pagination import Page

pytestmark = pytest.mark.unit

PAGE = Page(50, None, b"")
QUESTION = Question("/stats", {"event": ["push"]}, (1, 2), PAGE)


def test_the_same_question_in_the_same_state_has_the_same_key() -> None:
    again = Question("/stats", {"event": ["push"]}, (1, 2), Page(50, None, b""))
    assert answer_key(QUESTION, "state") == answer_key(again, "state")


def test_whatever_differs_gives_another_key() -> None:
    questions = [
        QUESTION,
        Question("/workflows", QUESTION.applied, (1, 2), PAGE),
        Question("/stats", {}, (1, 2), PAGE),
        Question("/stats", {"event": ["pull_request"]}, (1, 2), PAGE),
        Question("/stats", {"event": ["push", "pull_request"]}, (1, 2), PAGE),
        Question("/stats", {"event": ["pull_request", "push"]}, (1, 2), PAGE),
        Question("/stats", {"branch": ["push"]}, (1, 2), PAGE),
        Question("/stats", QUESTION.applied, (1, 2, 3), PAGE),
        Question("/stats", QUESTION.applied, (12,), PAGE),
        Question("/stats", QUESTION.applied, (1,), PAGE),
        Question("/stats", QUESTION.applied, (), PAGE),
        Question("/stats", QUESTION.applied, (1, 2)),
        Question("/stats", QUESTION.applied, (1, 2), Page(51, None, b"")),
        Question("/stats", QUESTION.applied, (1, 2), Page(50, (7,), b"")),
        Question("/stats", QUESTION.applied, (1, 2), Page(50, (date(2026, 1, 1), 7), b"")),
    ]
    keys = [answer_key(question, "state") for question in questions]
    keys.append(answer_key(QUESTION, "another state"))
    assert len(set(keys)) == len(keys)


def test_a_key_is_short_and_tells_nothing() -> None:
    long = Question("/stats", {"branch": ["secret-plan" * 10]}, tuple(range(10_000)))
    key = answer_key(long, "state")
    assert len(key) == 64
    assert set(key) <= set("0123456789abcdef")


def test_nobody_who_asks_is_part_of_a_question() -> None:
    assert {field.name for field in fields(Question)} == {
        "route",
        "applied",
        "repository_ids",
        "page",
    }
    assert list(inspect.signature(answer_key).parameters) == ["question", "state"]
