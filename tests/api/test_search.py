"""GET /search, against what was put there."""

from typing import Any

import pytest

from tests.api.client import ValidatingClient, bearer
from tests.api.marts import Marts

pytestmark = pytest.mark.integration

SHA = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def history(marts: Marts) -> Marts:
    marts.repository(1, "acme/widgets")
    marts.repository(2, "acme/Gadgets")
    marts.workflow(11, 1, "Build widgets", path=".github/workflows/build.yml")
    marts.workflow(21, 2, "Test")
    marts.run(101, 11, "2026-01-01 00:00", head_sha=SHA, head_branch="widgets-2", run_number=77)
    marts.run(201, 21, "2026-01-02 00:00", display_title="Mend it", actor_login="widgeteer")
    marts.job(1001, 201, name="lint")
    return marts


def hits(client: ValidatingClient, token: str, q: str) -> list[tuple[str, str]]:
    response = client.get("/search", query_string={"q": q}, headers=bearer(token))
    assert response.status_code == 200, response.text
    data: Any = response.json
    return [(hit["kind"], hit["name"]) for hit in data["data"]]


@pytest.mark.parametrize(
    ("q", "expected"),
    [
        (
            "widget",
            [
                ("repository", "acme/widgets"),
                ("workflow", "Build widgets"),
                ("branch", "widgets-2"),
                ("actor", "widgeteer"),
            ],
        ),
        ("GADGETS", [("repository", "acme/Gadgets")]),
        ("build.yml", [("workflow", "Build widgets")]),
        ("201", [("run", "Mend it")]),
        ("77", [("run", "101")]),
        ("1001", [("job", "lint")]),
        (SHA[:7], [("commit", SHA)]),
        ("nothing like it", []),
        ("%", []),
        ("https://github.com/acme/gadgets", [("repository", "acme/Gadgets")]),
        ("https://github.com/acme/gadgets/actions/runs/201", [("run", "Mend it")]),
        ("https://github.com/acme/gadgets/actions/runs/201/attempts/1", [("run", "Mend it")]),
        ("https://github.com/acme/gadgets/actions/runs/201/job/1001", [("job", "lint")]),
        ("https://github.com/acme/widgets/actions/runs/201", []),
        (
            "https://github.com/acme/widgets/actions/workflows/build.yml",
            [("workflow", "Build widgets")],
        ),
        (f"https://github.com/acme/widgets/commit/{SHA}", [("commit", SHA)]),
        ("https://github.com/acme/widgets/tree/widgets-2", [("branch", "widgets-2")]),
        ("acme/widgets", [("repository", "acme/widgets")]),
    ],
)
def test_it_finds(
    history: Marts, client: ValidatingClient, token: str, q: str, expected: list[tuple[str, str]]
) -> None:
    if q == "%":
        q = "%%"
    assert hits(client, token, q) == expected


def test_what_is_not_monitored_is_not_found(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    history.remove_repository(1)
    assert hits(client, token, "widget") == [("actor", "widgeteer")]
    assert hits(client, token, SHA[:7]) == []


def test_a_text_too_short_is_refused(client: ValidatingClient, marts: Marts, token: str) -> None:
    for q in ("", "a", " a "):
        response = client.get("/search", query_string={"q": q}, headers=bearer(token))
        assert response.status_code == 400


def test_what_is_found_is_a_list_as_csv_too(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    answer = client.answer("/search?q=widget&limit=500", token)
    assert (answer["next"], answer["filter"]) == (None, {"q": "widget", "limit": 500})
    lines = client.get("/search.csv?q=widget", headers=bearer(token)).text.splitlines()
    assert lines[0].startswith("kind,name,repository_id")
    assert len(lines) == 1 + len(answer["data"])
