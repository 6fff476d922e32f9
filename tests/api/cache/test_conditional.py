"""Conditional requests: a tag for every answer, a 304 without computing, and who may keep what."""

import gzip

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.api.cache.people import People
from tests.api.client import ValidatingClient, bearer
from tests.api.marts import Marts

pytestmark = pytest.mark.integration

CACHED = [
    "/stats?from=2026-01-01",
    "/stats?from=2026-01-01&group_by=workflow_id",
    "/workflows",
    "/workflows/10",
]
TAGGED = [*CACHED, "/repositories"]


@pytest.mark.parametrize("path", TAGGED)
def test_a_tag_that_is_sent_back_is_answered_by_a_304_with_all_that_a_200_says_but_the_body(
    history: Marts, people: People, path: str
) -> None:
    first = people.ask(path)
    tag = first.headers["ETag"]
    assert first.status_code == 200
    assert tag.startswith('"'), "a strong tag"
    for given in (tag, f"W/{tag}", f'"other", {tag}', f'W/"other",W/{tag}', "*"):
        again = people.ask(path, tag=given)
        assert again.status_code == 304, given
        assert again.data == b""
        assert "Content-Type" not in again.headers
        for name in (
            "ETag",
            "Cache-Control",
            "Vary",
            "Actionsight-As-Of",
            "Actionsight-Newest-Observation-At",
            "X-Content-Type-Options",
        ):
            assert again.headers[name] == first.headers[name]


@pytest.mark.parametrize("path", TAGGED)
def test_another_tag_or_what_is_none_is_answered_in_full(
    history: Marts, people: People, path: str
) -> None:
    first = people.ask(path)
    tag = first.headers["ETag"]
    for given in ('"other"', tag.strip('"')[:-1], f'"{tag}"', '"', ",", "", "W/", "\xff"):
        again = people.ask(path, tag=given)
        assert again.status_code == 200, given
        assert again.data == first.data
        assert again.headers["ETag"] == tag


@pytest.mark.parametrize("path", CACHED)
def test_a_304_and_a_warm_answer_compute_nothing(history: Marts, people: People, path: str) -> None:
    """A column that every computation reads is not there any more."""
    first = people.ask(path)
    with history.without_column("workflow_runs", "conclusion"):
        assert people.ask(path, tag=first.headers["ETag"]).status_code == 304
        assert people.ask(path).data == first.data
        history.raise_version(1)
        assert people.ask(path, tag=first.headers["ETag"]).status_code == 503


def test_freshness_moves_while_the_tag_stays(history: Marts, people: People) -> None:
    """A poll that changed nothing: the numbers are the same, and can be trusted further."""
    first = people.ask("/stats")
    history.connection.execute("update app.repositories set observed_until = '2026-01-08 10:00Z'")
    again = people.ask("/stats", tag=first.headers["ETag"])
    assert again.status_code == 304
    assert first.headers["Actionsight-As-Of"] == "2026-01-07T10:00:00Z"
    assert again.headers["Actionsight-As-Of"] == "2026-01-08T10:00:00Z"
    assert people.ask("/repositories", tag=people.ask("/repositories").headers["ETag"]).data == b""


def test_what_a_repository_says_of_its_collection_has_a_tag_of_its_own(
    history: Marts, people: People
) -> None:
    first = people.ask("/repositories")
    history.connection.execute(
        "update app.repositories set trouble = '404' where repository_id = 1"
    )
    again = people.ask("/repositories", tag=first.headers["ETag"])
    assert again.status_code == 200
    assert again.get_json()["data"][0]["trouble"] == "404"


def test_what_a_repository_has_is_counted_once_per_build(history: Marts, people: People) -> None:
    """The list changes with every poll, and sums the days of 500 repositories."""
    history.statistics_by_day(10, "2026-01-01", runs=3, jobs=30)

    def counts() -> list[int]:
        return [row["run_count"] for row in people.read("/repositories")["data"]]

    assert counts() == [3, 1, 1]
    history.statistics_by_day(10, "2026-01-02", runs=2, jobs=20)
    history.connection.execute("update app.repositories set trouble = '404'")
    assert counts() == [3, 1, 1]
    assert people.read("/repositories?limit=1")["data"][0]["run_count"] == 5, "counted by itself"
    history.raise_version(1)
    assert counts() == [5, 1, 1]


def test_a_head_request_is_answered_alike(
    history: Marts, people: People, app: Flask, client: ValidatingClient, token: str
) -> None:
    tag = people.ask("/stats").headers["ETag"]
    headers = {"Authorization": f"Bearer {token}", "X-Test-Repositories": "1,2,3"}
    plain = FlaskClient(app)  # the other one knows no HEAD
    response = plain.head("/stats", headers=headers)
    assert (response.status_code, response.headers["ETag"], response.data) == (200, tag, b"")
    response = plain.head("/stats", headers=headers | {"If-None-Match": tag})
    assert (response.status_code, response.data) == (304, b"")


@pytest.mark.parametrize("path", TAGGED)
def test_only_the_viewers_own_cache_may_keep_an_answer_and_it_asks_each_time(
    history: Marts, people: People, path: str
) -> None:
    response = people.ask(path)
    assert response.headers["Cache-Control"] == "private, no-cache"
    assert {"Authorization", "Cookie"} <= set(response.vary)


@pytest.mark.parametrize("path", ["/stats?nonsense=1", "/workflows/99", "/nothing", "/healthz"])
def test_what_has_no_tag_is_kept_by_nobody(history: Marts, people: People, path: str) -> None:
    response = people.ask(path, tag="*")
    assert response.status_code != 304
    assert "ETag" not in response.headers
    assert response.headers["Cache-Control"] == "private, no-store"


@pytest.mark.parametrize("path", TAGGED)
def test_a_tag_opens_nothing(
    history: Marts, people: People, client: ValidatingClient, path: str
) -> None:
    tag = people.ask(path).headers["ETag"]
    for given in (tag, "*"):
        response = client.get(path, headers={"If-None-Match": given})
        assert response.status_code == 401
        response = people.ask(path, (2, 3), tag=given if given != "*" else tag)
        assert response.status_code in (200, 404)


def test_who_takes_gzip_gets_the_same_by_gzip_under_the_same_tag(
    history: Marts, app: Flask, token: str
) -> None:
    client = FlaskClient(app, app.response_class)
    headers = {**bearer(token), "Accept-Encoding": "gzip"}
    cold, warm = (client.get("/stats?from=2026-01-01", headers=headers) for _ in range(2))
    plain = client.get("/stats?from=2026-01-01", headers=bearer(token))
    for response in (cold, warm):
        assert response.headers["Content-Encoding"] == "gzip"
        assert "Accept-Encoding" in response.vary
        assert gzip.decompress(response.data) == plain.data
        assert response.headers["ETag"] == plain.headers["ETag"]
    refusing = {**headers, "Accept-Encoding": "identity, gzip;q=0"}
    refused = client.get("/stats?from=2026-01-01", headers=refusing)
    for response in (plain, refused):
        assert "Content-Encoding" not in response.headers
        assert len(cold.data) < len(response.data)
