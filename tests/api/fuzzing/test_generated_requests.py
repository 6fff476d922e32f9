"""Requests that schemathesis makes of the document, right ones and wrong ones: what the document
says of the answers is so.

    ACTIONSIGHT_TEST_CASES=200 pytest tests/api/fuzzing/test_generated_requests.py
"""

import os
from contextlib import suppress
from importlib import import_module
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, Phase, assume, given
from hypothesis import settings as hypothesis_settings
from hypothesis.errors import Unsatisfiable

from tests.api.client import bearer
from tests.api.marts import Marts

pytestmark = pytest.mark.integration

CASES = int(os.environ.get("ACTIONSIGHT_TEST_CASES", "2"))
# Comes back from GitHub: a sign-in that nobody began is refused, however well-formed.
CALLBACK = "GET /login/github/authorized"


@pytest.fixture
def schemathesis() -> Any:
    """Imported here, since every worker of the tests would wait a second when it collects them."""
    return import_module("schemathesis")


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("mode", ["positive", "negative"])
def test_every_answer_is_as_the_document_says(
    schemathesis: Any, app: Flask, marts: Marts, token: str, mode: str
) -> None:
    # The smallest ids are generated most.
    marts.repository(1, "acme/one", observed_until="2026-01-07 10:00Z")
    marts.workflow(1, 1, "Build")
    marts.run(1, 1, "2026-01-01 00:00", attempts=["failure", "success"], duration_seconds=60)
    marts.job(1, 1, conclusion="failure")
    marts.add_up_days()
    headers = {**bearer(token), "Accept-Encoding": "identity"}
    schema = schemathesis.openapi.from_wsgi("/openapi.json", app, headers=headers)
    asked = 0
    for found in schema.get_all_operations():
        with suppress(Unsatisfiable):  # nothing about it can be wrong
            _ask(schemathesis, found.ok(), mode, headers)
            asked += 1
    assert asked > 40


def _ask(schemathesis: Any, operation: Any, mode: str, headers: dict[str, str]) -> None:
    excluded = []
    if operation.label == CALLBACK:
        excluded = [schemathesis.checks.positive_data_acceptance]

    @given(case=operation.as_strategy(generation_mode=schemathesis.GenerationMode(mode)))
    @hypothesis_settings(
        max_examples=CASES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: Any) -> None:
        if mode == "positive":
            _agree(case.path, case.query)
        else:
            assume(not _is_read_otherwise(case.query))
        case.call_and_validate(headers=headers, excluded_checks=excluded)

    ask()


def _agree(path: str, query: dict[str, Any]) -> None:
    """Make parameters agree with each other, which no schema can ask of them."""
    query.pop("next", None)  # the API seals it
    if "from" in query or "period" in query:
        query.pop("to", None)
    if query.get("to", "") > "2050":
        query.pop("to")
    if "period" in query or query.get("from", "") < "2008":
        query.pop("from", None)
    if "period" not in query:
        query.pop("compare", None)
    if path == "/changes":  # a range has a beginning there
        query.pop("to", None)
    if path in ("/stats", "/costs") and query.pop("sort", None) and query.get("group_by"):
        query["sort"] = "run_count"


def _is_read_otherwise(query: dict[str, Any]) -> bool:
    """Whether values of a parameter are more by commas, or fewer since each counts once, than the
    document, which tells of each, can count."""
    lists = [values for values in query.values() if isinstance(values, list)]
    return any(
        any("," in str(value) for value in values) or len(set(map(str, values))) < len(values)
        for values in lists
    )
