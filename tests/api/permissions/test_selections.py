"""GET /repositories/selections, and repositories that GitHub denies."""

from typing import Any

import pytest

from tests.api.permissions.installation import Caller, Installation

pytestmark = pytest.mark.integration


def select(installation: Installation, name: str, **columns: Any) -> None:
    """Select a name, by the settings or the command line."""
    installation.connection.execute(
        """
        insert into app.repository_selections
            (name, repository_id, listed_at, last_error, removed_at)
        values (%(name)s, %(repository_id)s, %(listed_at)s, %(last_error)s, %(removed_at)s)
        """,
        {
            "name": name,
            **dict.fromkeys(("repository_id", "listed_at", "last_error", "removed_at")),
            **columns,
        },
    )


def test_operators_see_what_was_selected_and_what_github_says_to_it(
    installation: Installation, operator: Caller, open_id: int
) -> None:
    for name in ("octo/closed", "octo/turned"):
        installation.monitor(name, selected_by="octo/*")
    select(installation, "octo/open", repository_id=open_id)
    select(installation, "octo/*", listed_at="2026-01-02Z")
    select(
        installation, "octo/opne", last_error="404 Not Found: the name is wrong, or not readable"
    )
    select(installation, "nobody/*")
    select(installation, "octo/old", removed_at="2026-01-01Z")
    body = operator.read("/repositories/selections")
    rows = {row["name"]: row for row in body["data"]}
    assert list(rows) == sorted(rows) == ["nobody/*", "octo/*", "octo/open", "octo/opne"]
    assert {name: (row["state"], row["repository_count"]) for name, row in rows.items()} == {
        "nobody/*": ("waiting", 0),
        "octo/*": ("followed", 2),
        "octo/open": ("followed", 1),
        "octo/opne": ("refused", 0),
    }
    assert rows["octo/*"]["listed_at"] == "2026-01-02T00:00:00Z"
    assert rows["octo/open"]["repository_id"] == open_id
    assert rows["octo/opne"]["last_error"].startswith("404")
    assert body["next"] is None


def test_selections_come_in_pages(installation: Installation, operator: Caller) -> None:
    names = [f"octo/r{number}" for number in range(5)]
    for name in names:
        select(installation, name)
    found, after = [], ""
    while True:
        page = operator.read(f"/repositories/selections?limit=2{after}")
        found += [row["name"] for row in page["data"]]
        if page["next"] is None:
            break
        after = f"&next={page['next']}"
    assert found == names


def test_nobody_else_sees_selections(installation: Installation, caller: Caller) -> None:
    select(installation, "octo/secret-plans", last_error="404 Not Found")
    response = caller.get("/repositories/selections")
    assert (response.status_code, "secret-plans" in response.text) == (403, False)
    assert installation.anonymous().get("/repositories/selections").status_code == 401


def test_what_github_denies_is_for_operators_alone(
    installation: Installation, browser: Caller, operator: Caller, open_id: int, closed_id: int
) -> None:
    """Also where its row still says public, and where a person's rights were read before."""
    assert browser.visible() == {open_id, closed_id}
    installation.connection.execute("update app.repositories set unreachable_since = now()")
    assert browser.visible() == set()
    assert browser.get(f"/stats?repository={closed_id}").status_code == 404
    assert operator.visible() == {open_id, closed_id}
    installation.connection.execute("update app.repositories set unreachable_since = null")
    assert browser.visible() == {open_id, closed_id}, "and it heals by itself"
