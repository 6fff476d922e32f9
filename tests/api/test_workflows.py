"""GET /workflows and /workflows/{workflow_id}."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.api.client import ValidatingClient, bearer
from tests.api.marts import Marts

pytestmark = pytest.mark.integration


@pytest.fixture
def history(marts: Marts) -> Marts:
    marts.repository(1, "acme/widgets", observed_until="2026-01-07 00:00Z")
    marts.repository(2, "acme/gadgets")
    marts.workflow(11, 1, "Build")
    marts.workflow(12, 1, "Nightly build", state="disabled_manually")
    marts.workflow(13, 1, "workflow 13", state=None, path=None)
    marts.workflow(21, 2, "Test")
    marts.run(1, 11, "2026-01-01 00:00", duration_seconds=10)
    marts.run(3, 11, "2026-01-02 00:00", attempts=["failure", "failure"], duration_seconds=20)
    marts.run(2, 11, "2026-01-02 00:00", duration_seconds=30)
    marts.run(4, 12, "2026-01-03 00:00", attempts=[None], head_branch="topic")
    marts.run(5, 21, "2026-01-03 00:00")
    marts.add_up_days()
    return marts


def test_a_workflow_comes_with_its_repository_and_its_latest_run(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    first, second, third, fourth = client.answer("/workflows", token)["data"]
    assert first == {
        "workflow_id": 11,
        "repository_id": 1,
        "repository_full_name": "acme/widgets",
        "name": "Build",
        "path": ".github/workflows/11.yml",
        "state": "active",
        "html_url": None,
        "created_at": None,
        "updated_at": None,
        "deleted_at": None,
        "gone_at": None,
        "latest_run": {
            "run_id": 3,
            "run_number": None,
            "run_attempt": 2,
            "status": "completed",
            "conclusion": "failure",
            "event": "push",
            "head_branch": "main",
            "head_sha": f"{3:040x}",
            "display_title": None,
            "actor_login": "Mona",
            "created_at": "2026-01-02T00:00:00Z",
            "html_url": "https://github.com/runs/3",
        },
    }
    assert (second["latest_run"]["status"], second["latest_run"]["conclusion"]) == (
        "in_progress",
        None,
    )
    assert (third["state"], third["latest_run"]) == (None, None)
    assert fourth["repository_full_name"] == "acme/gadgets"


@pytest.mark.parametrize(
    ("query", "expected", "applied"),
    [
        ("repository=acme/gadgets", [21], {"repository": [2]}),
        ("repository=1,2", [11, 12, 13, 21], {"repository": [1, 2]}),
        ("state=active", [11, 21], {"state": ["active"]}),
        ("name=BUILD", [11, 12], {"name": "BUILD"}),
        ("name=%25", [], {"name": "%"}),
        ("status=completed", [11, 21], {"status": ["completed"]}),
        ("conclusion=failure,cancelled", [11], {"conclusion": ["failure", "cancelled"]}),
        ("conclusion=success&state=active&name=e", [21], None),
    ],
)
def test_filters_choose_the_workflows(
    history: Marts,
    client: ValidatingClient,
    token: str,
    query: str,
    expected: list[int],
    applied: Any,
) -> None:
    answer = client.answer(f"/workflows?{query}", token)
    assert [row["workflow_id"] for row in answer["data"]] == expected
    assert applied is None or answer["filter"] == applied


def test_a_workflow_that_its_repository_lists_no_more_is_shown_and_in_no_state(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    gone_at = datetime(2026, 1, 6, tzinfo=UTC)
    history.workflow(14, 1, "Gone", state="active", gone_at=gone_at)
    active = client.answer("/workflows?state=active", token)["data"]
    assert [row["workflow_id"] for row in active] == [11, 21]
    [gone] = client.answer("/workflows?name=gone", token)["data"]
    assert (gone["state"], gone["gone_at"]) == ("active", "2026-01-06T00:00:00Z")


def test_one_workflow_has_the_statistics_of_its_runs_in_the_range(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    response = client.get("/workflows/11?from=2026-01-02", headers=bearer(token))
    assert response.headers["Actionsight-As-Of"] == "2026-01-07T00:00:00Z"
    answer: Any = response.json
    assert answer["filter"] == {"from": "2026-01-02", "workflow": [11]}
    workflow = answer["data"]
    assert (workflow["workflow_id"], workflow["latest_run"]["run_id"]) == (11, 3)
    statistics = workflow["statistics"]
    assert statistics == client.answer("/stats?workflow=11&from=2026-01-02", token)["data"]
    assert (statistics["run_count"], statistics["success_duration_p50_seconds"]) == (2, 30)


def test_a_workflow_of_several_repositories_is_a_row_of_each(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    """As one that a ruleset requires: it is listed where it is defined, and known by runs else."""
    for repository_id, name in ((3, "acme/third"), (4, "acme/fourth")):
        history.repository(repository_id, name)
        history.workflow(11, repository_id, "ci.yml", state=None, is_stub=True)
    for run_id, day, repository_id in ((6, "02", 3), (7, "05", 4), (8, "04", 3)):
        history.run(run_id, 11, f"2026-01-{day} 00:00", repository_id=repository_id)
    history.add_up_days()

    listed = client.answer("/workflows?limit=2", token)
    rest = client.answer(f"/workflows?next={listed['next']}", token)
    one = client.answer("/workflows/11?from=2026-01-01", token)["data"]
    elsewhere = client.answer("/workflows/11?from=2026-01-01&repository=3,acme/fourth", token)[
        "data"
    ]

    rows = [*listed["data"], *rest["data"]]
    assert [
        (row["workflow_id"], row["repository_id"], (row["latest_run"] or {}).get("run_id"))
        for row in rows
    ] == [
        (11, 1, 3),
        (11, 3, 8),
        (11, 4, 7),
        (12, 1, 4),
        (13, 1, None),
        (21, 2, 5),
    ]
    assert (one["repository_full_name"], one["statistics"]["run_count"]) == ("acme/widgets", 3)
    # Where it is not defined, the newest run decides.
    assert (elsewhere["repository_id"], elsewhere["statistics"]["run_count"]) == (4, 1)
    assert client.get("/workflows/11?repository=2", headers=bearer(token)).status_code == 404


def test_one_workflow_of_which_no_run_is_known(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    workflow = client.answer("/workflows/13", token)["data"]
    assert workflow["latest_run"] is None
    assert workflow["statistics"]["success_rate"] is None


def test_parts_are_there_where_they_are_asked_for(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    rows = client.answer("/workflows", token)["data"]
    assert not {"statistics", "health", "recent_runs"} & rows[0].keys()
    path = "/workflows?include=statistics,health,recent_runs&fields=run_count&from=2026-01-02"
    answer = client.answer(path, token)
    assert answer["filter"] == {
        "from": "2026-01-02",
        "include": ["statistics", "health", "recent_runs"],
        "fields": ["run_count"],
    }
    found = {row["workflow_id"]: row for row in answer["data"]}
    assert {key: row["statistics"] for key, row in found.items()} == {
        11: {"run_count": 2},
        12: {"run_count": 1},
        13: {"run_count": 0},
        21: {"run_count": 1},
    }
    assert [run["run_id"] for run in found[11]["recent_runs"]] == [1, 2, 3]
    assert found[12]["recent_runs"] == []  # it ran on another branch alone
    assert {row["health"]["state"] for row in found.values()} == {"unknown"}


@pytest.mark.parametrize("limit", [1, 3, 50])
@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("name", [11, 12, 21, 13]),
        ("-name", [13, 21, 12, 11]),
        ("-success_duration_p95_seconds", [11, 12, 13, 21]),
        ("success_duration_p95_seconds", [11, 12, 13, 21]),
        ("-run_count", [11, 12, 21, 13]),
        ("run_count", [13, 12, 21, 11]),
    ],
)
def test_workflows_come_in_an_order_and_what_is_not_known_last(
    history: Marts,
    client: ValidatingClient,
    token: str,
    sort: str,
    expected: list[int],
    limit: int,
) -> None:
    rows: list[Any] = []
    after = ""
    while True:
        path = f"/workflows?sort={sort}&from=2026-01-02&limit={limit}{after}"
        page = client.answer(path, token)
        rows += page["data"]
        if page["next"] is None:
            break
        after = f"&next={page['next']}"
    assert [row["workflow_id"] for row in rows] == expected
