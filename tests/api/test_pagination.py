"""Pages: each row once, whatever happens in between, and no token but one's own."""

import base64
from typing import Any

import pytest
from flask import Flask
from itsdangerous import URLSafeSerializer

from api import pagination
from api.responses import to_json
from tests.api.client import ValidatingClient, bearer
from tests.api.marts import Marts

pytestmark = pytest.mark.integration


@pytest.fixture
def history(marts: Marts) -> Marts:
    # Names that differ in case alone are ties in the order of repositories.
    for repository_id, name in ((5, "acme/B"), (3, "acme/b"), (4, "acme/a"), (9, "acme/z_.-")):
        marts.repository(repository_id, name)
        marts.workflow(repository_id * 10, repository_id, "Build")
    return marts


def walk(client: ValidatingClient, token: str, path: str, limit: int) -> list[Any]:
    rows: list[Any] = []
    after = ""
    while True:
        page = client.answer(f"{path}?limit={limit}{after}", token)
        assert 0 < len(page["data"]) <= limit
        rows += page["data"]
        if page["next"] is None:
            return rows
        after = f"&next={page['next']}"


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 500])
@pytest.mark.parametrize(
    ("path", "key", "expected"),
    [
        ("/repositories", "repository_id", [4, 3, 5, 9]),
        ("/workflows", "workflow_id", [30, 40, 50, 90]),
    ],
)
def test_pages_of_any_size_show_each_row_once(
    history: Marts,
    client: ValidatingClient,
    token: str,
    path: str,
    key: str,
    expected: list[int],
    limit: int,
) -> None:
    assert [row[key] for row in walk(client, token, path, limit)] == expected


def test_rows_that_come_or_go_between_pages_repeat_and_hide_nothing(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    first = client.answer("/workflows?limit=2", token)
    history.workflow(10, 4, "came before the page")
    history.workflow(60, 4, "came after the page")
    history.remove_repository(4)
    history.remove_repository(5)
    history.workflow(70, 3, "came after the page, too")
    second = client.answer(f"/workflows?limit=2&next={first['next']}", token)
    assert [row["workflow_id"] for row in first["data"] + second["data"]] == [30, 40, 70, 90]
    assert second["next"] is None


def test_the_default_is_fifty_rows(marts: Marts, client: ValidatingClient, token: str) -> None:
    marts.repository(1, "acme/a")
    for number in range(1, 52):
        marts.workflow(number, 1, "Build")
    assert len(client.answer("/workflows", token)["data"]) == 50
    assert len(client.answer("/workflows?limit=51", token)["data"]) == 51


def test_a_page_may_have_another_size_than_the_one_before(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    first = client.answer("/workflows?limit=1", token)
    second = client.answer(f"/workflows?limit=3&next={first['next']}", token)
    assert [row["workflow_id"] for row in second["data"]] == [40, 50, 90]


def test_a_token_that_was_changed_or_belongs_to_another_query_is_refused(
    history: Marts, client: ValidatingClient, token: str
) -> None:
    good = client.answer("/workflows?limit=1", token)["next"]
    forged = base64.urlsafe_b64encode(b"12345678[1]").decode().rstrip("=")
    changed = [
        good[:place] + ("A" if good[place] != "A" else "B") + good[place + 1 :]
        for place in range(len(good))
    ]
    for bad in [*changed, good[:-1], good + "A", good + "=", good * 300, "é", forged]:
        response = client.get("/workflows", query_string={"next": bad}, headers=bearer(token))
        assert response.status_code == 400, bad
    for path in (
        f"/workflows?state=active&next={good}",
        f"/repositories?next={good}",
        f"/stats?group_by=workflow_id&next={good}",
    ):
        assert client.get(path, headers=bearer(token)).status_code == 400


def test_a_token_that_was_not_given_out_here_is_refused(
    marts: Marts, app: Flask, client: ValidatingClient, token: str
) -> None:
    query = to_json(["/stats", {"group_by": ["branch"]}])
    with app.app_context():
        good = pagination._serializer(query).dumps(["main"])
    made_up = URLSafeSerializer("another key", salt=query).dumps(["main"])
    answers = {
        each: client.get(
            "/stats", query_string={"group_by": "branch", "next": each}, headers=bearer(token)
        ).status_code
        for each in (good, made_up)
    }
    assert list(answers.values()) == [200, 400]
