"""GET /metrics shows of each repository to each viewer exactly what GET /repositories shows."""

from typing import Any

import pytest

from tests.api.permissions.installation import Caller
from tests.api.permissions.matrix import AFTER, BEFORE, UNCONFIRMED, Matrix
from tests.api.prometheus.exposition import Exposition, parse

pytestmark = pytest.mark.integration


def read(caller: Caller) -> Exposition:
    response = caller.get("/metrics")
    assert response.status_code == 200, response.text
    return parse(response.text)


def check(matrix: Matrix, rights: dict[str, set[str] | int]) -> None:
    for who, expected in rights.items():
        caller = matrix.callers[who]
        if who == "anonymous":
            page, expected = read(caller), set()
            assert "actionsight_repositories" not in page.families
        elif isinstance(expected, int):
            assert caller.get("/metrics").status_code == expected, who
            continue
        else:
            page = read(caller)
            counts = page.by("actionsight_repositories", "state")
            assert sum(counts.values()) == len(expected), who
        shown = page.by("actionsight_repository_up", "repository")
        assert set(shown) == expected, who
        every: Any = {
            sample.labels["repository_id"]
            for sample in page.samples
            if "repository_id" in sample.labels
        }
        assert every == {str(matrix.ids[name]) for name in expected}, who
        hidden = set(matrix.ids) - expected
        assert not any(name in str(page.families) for name in hidden), who


def test_everybody_is_told_of_the_repositories_that_they_may_see(matrix: Matrix) -> None:
    check(matrix, BEFORE)
    matrix.installation.refuse_collector(minutes=60, but_for=matrix.ids["octo/open"])
    check(matrix, UNCONFIRMED)
    matrix.installation.refuse_collector(minutes=0)
    matrix.change()
    check(matrix, AFTER)
