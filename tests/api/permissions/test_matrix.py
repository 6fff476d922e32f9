"""Everybody asks every route for everything: they get exactly what they may see."""

import pytest
from flask import Flask

from api import openapi
from api.auth.access import Access, access_of
from tests.api.permissions.installation import Caller
from tests.api.permissions.matrix import (
    AFTER,
    BEFORE,
    PUBLIC,
    RULED,
    SOURCE,
    UNCONFIRMED,
    Matrix,
    check,
)

pytestmark = pytest.mark.integration


def test_the_matrix_is_over_every_route_that_asks_who_sends(app: Flask) -> None:
    asking = {
        f"{method} {openapi.path_of(rule)}"
        for rule, _ in openapi.routes(app)
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if access_of(app, rule.endpoint.rpartition(".")[0]) is Access.AUTHENTICATED
    }
    assert asking == {
        "GET /stats",
        "GET /workflows",
        "GET /workflows/{workflow_id}",
        "GET /branches/health",
        "GET /branches/health/intervals",
        "GET /flaky-jobs",
        "GET /flaky-jobs/occurrences",
        "GET /costs",
        "GET /costs/unpriced",
        "GET /changes",
        "GET /runners",
        "GET /runners/hours",
        "GET /runners/now",
        "GET /runners/names",
        "GET /workflows/{workflow_id}/jobs",
        "GET /workflows/{workflow_id}/runs",
        "GET /workflows/{workflow_id}/steps",
        "GET /workflows/{workflow_id}/timeline",
        "GET /runs",
        "GET /runs/{run_id}",
        "GET /runs/{run_id}/failures",
        "GET /jobs",
        "GET /jobs/{job_id}",
        "GET /search",  # in a test of its own
        "GET /repositories/{repository_id}",
        "GET /repositories/{repository_id}/health",
        # Of oneself, or for operators: test_account, test_installation.
        "GET /definitions",
        "GET /audit",
        "GET /tokens",
        "POST /tokens",
        "DELETE /tokens/{token_id}",
        "GET /sessions",
        "DELETE /sessions/{session_id}",
        "GET /repositories",
        "GET /repositories/available",
        "GET /repositories/selections",
        "POST /repositories",
        "DELETE /repositories/{repository_id}",
        # For operators alone: test_removing.
        "GET /repositories/{repository_id}/data",
        "DELETE /repositories/{repository_id}/data",
    }


@pytest.mark.parametrize(
    ("rounds", "of_all"), [(1, False), pytest.param(2, True, marks=pytest.mark.thorough)]
)
def test_everybody_reads_exactly_what_they_may_before_and_after_it_changes(
    matrix: Matrix, rounds: int, of_all: bool
) -> None:
    for _ in range(rounds):  # the second time every answer and all rights are warm
        for who, rights in BEFORE.items():
            check(matrix, who, rights, of_all=of_all)
    matrix.change()
    for _ in range(rounds):
        for who, rights in AFTER.items():
            check(matrix, who, rights, of_all=of_all)
    matrix.installation.age(5)
    maintainer = matrix.callers["maintainer"]
    maintainer.read("/stats")
    matrix.installation.settle()
    assert matrix.ids["octo/turned"] in maintainer.visible()


def test_what_is_public_is_closed_when_github_has_not_confirmed_it_for_an_hour(
    matrix: Matrix,
) -> None:
    callers = ("outsider", "reader's token")  # everybody asks /metrics, in test_metrics
    for who in callers:  # what was answered before is warm
        check(matrix, who, BEFORE[who])
    matrix.installation.refuse_collector(minutes=60, but_for=matrix.ids["octo/open"])
    for who in callers:
        check(matrix, who, UNCONFIRMED[who])


def test_a_search_finds_what_one_may_see_and_nothing_that_is_hidden(matrix: Matrix) -> None:
    for who, rights in BEFORE.items():
        if isinstance(rights, int):
            continue
        for q in ("octo", "build", "secret"):
            found = matrix.callers[who].read(f"/search?q={q}&limit=50")["data"]
            names = {hit["repository_full_name"] for hit in found} - {None}
            assert names <= rights, (who, q)
            assert q != "octo" or names == rights, who


def test_a_stranger_learns_nothing_of_runs_that_a_ruleset_of_a_public_source_started(
    matrix: Matrix,
) -> None:
    outsider, reader = matrix.callers["outsider"], matrix.callers["reader"]
    source, ruled = matrix.ids[SOURCE], matrix.ids[RULED]
    shared = source * 10

    def tags(caller: Caller) -> list[str]:
        return [caller.get(path).headers["ETag"] for path in matrix.lists()]

    strange, known = tags(outsider), tags(reader)
    for path in matrix.lists():
        assert f"secret-{ruled}" not in outsider.get(path).text, path
    [row] = [each for each in outsider.read("/workflows")["data"] if each["workflow_id"] == shared]
    assert row["latest_run"]["run_id"] == source * 1_000 + 1
    assert outsider.read(f"/stats?workflow={shared}")["data"]["run_count"] == 2
    assert reader.read(f"/stats?workflow={shared}")["data"]["run_count"] == 2 + 32
    # By the definition's own repository, unless another is asked for.
    for query, repository_id, count in (("", source, 2), (f"&repository={ruled}", ruled, 32)):
        workflow = reader.read(f"/workflows/{shared}?from=2026-01-01{query}")["data"]
        assert (workflow["repository_id"], workflow["statistics"]["run_count"]) == (
            repository_id,
            count,
        )
        assert workflow["latest_run"]["run_id"] // 1_000 == repository_id

    matrix.installation.marts.run(1, shared, "2026-01-03 00:00", repository_id=ruled)
    matrix.installation.marts.raise_version(ruled)

    assert tags(outsider) == strange
    assert tags(reader) != known


def test_tags_of_before_open_nothing_after(matrix: Matrix) -> None:
    tags = {
        (who, path): matrix.callers[who].get(path).headers["ETag"]
        for who, rights in BEFORE.items()
        if not isinstance(rights, int)
        for path in ("/stats", f"/workflows/{matrix.ids['octo/closed'] * 10}")
        if matrix.callers[who].get(path).status_code == 200
    }
    matrix.change()
    for (who, path), tag in tags.items():
        caller = matrix.callers[who]
        response = caller.client.get(path, headers={**caller.headers, "If-None-Match": tag})
        known = isinstance(AFTER[who], set)
        if path == "/stats":
            assert response.status_code == (200 if known else AFTER[who]), who
        else:
            assert response.status_code == (304 if known else AFTER[who]), who


@pytest.mark.parametrize("path", ["/repositories", "/workflows", "/stats?group_by=workflow_id"])
def test_a_paging_token_of_somebody_else_shows_nothing_but_one_s_own(
    matrix: Matrix, path: str
) -> None:
    operator, outsider = matrix.callers["operator"], matrix.callers["outsider"]
    mark = "&" if "?" in path else "?"
    whole = operator.read(path)["data"]
    own = outsider.read(path)["data"]
    anonymous = matrix.callers["anonymous"]
    assert len(whole) > 1
    for limit in range(1, len(whole)):
        token = operator.read(f"{path}{mark}limit={limit}")["next"]
        rest = outsider.read(f"{path}{mark}next={token}")
        assert [row for row in rest["data"] if row not in own] == []
        assert rest["next"] is None
        assert anonymous.get(f"{path}{mark}next={token}").status_code == 401


@pytest.mark.parametrize("path", ["/repositories", "/workflows", "/stats?group_by=workflow_id"])
def test_the_tokens_of_one_s_own_pages_name_nothing_that_is_hidden(
    matrix: Matrix, path: str
) -> None:
    """Hidden rows lie between those that are shown, and after them."""
    outsider = matrix.callers["outsider"]
    mark = "&" if "?" in path else "?"
    shown, after = [], ""
    while True:
        page = outsider.read(f"{path}{mark}limit=1{after}")
        shown += page["data"]
        if page["next"] is None:
            break
        after = f"&next={page['next']}"
    assert shown == outsider.read(path)["data"]
    assert len(shown) == len(PUBLIC)
