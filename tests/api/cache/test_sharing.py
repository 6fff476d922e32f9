"""Who may see the same shares answers; who may see something else never meets them."""

import gzip
from typing import Any

import pytest
import redis

from tests.api.cache.conftest import keys
from tests.api.cache.people import People
from tests.api.marts import Marts

pytestmark = pytest.mark.integration

PATHS = [
    "/stats",
    "/stats?event=push",
    "/stats?group_by=repository_id",
    "/stats?group_by=day,workflow_id&limit=1",
    "/workflows",
    "/workflows?state=active&limit=1",
    "/workflows/10",
]
SETS: list[tuple[int, ...]] = [(1,), (1, 2), (1, 3), (1, 2, 3)]


@pytest.mark.parametrize("path", PATHS)
def test_a_warm_cache_of_one_viewer_never_serves_another_with_a_different_set(
    history: Marts, people: People, uncached: People, path: str
) -> None:
    for _ in range(2):
        for repository_ids in SETS:
            assert people.read(path, repository_ids) == uncached.read(path, repository_ids)


@pytest.mark.parametrize("path", ["/stats?repository=2", "/workflows?repository=acme/r2"])
def test_what_is_warm_for_one_is_not_found_for_another(
    history: Marts, people: People, path: str
) -> None:
    tag = people.ask(path, (1, 2)).headers["ETag"]
    assert people.ask(path, (1, 2)).status_code == 200
    assert people.ask(path, (1, 3)).status_code == 404
    assert people.ask(path, (1, 3), tag=tag).status_code == 404


def test_a_workflow_that_is_warm_for_one_is_not_found_for_another(
    history: Marts, people: People
) -> None:
    tag = people.ask("/workflows/20", (1, 2)).headers["ETag"]
    for given in (None, tag, "*"):
        response = people.ask("/workflows/20", (1, 3), tag=given)
        assert response.status_code == 404
        assert "ETag" not in response.headers


def test_viewers_with_the_same_choice_share_one_entry_and_one_tag(
    history: Marts, people: People, server: "redis.Redis"
) -> None:
    tags = {
        people.ask("/stats?repository=1", visible).headers["ETag"] for visible in ((1,), (1, 2))
    }
    people.renew()
    tags.add(people.ask("/stats?repository=1", (1, 3)).headers["ETag"])
    assert len(tags) == 1
    assert len(keys(server)) == 1


def test_viewers_with_different_sets_get_different_tags(history: Marts, people: People) -> None:
    """The last path is about one repository, which all of them may see."""
    for path in PATHS[:-1]:
        tags = [people.ask(path, repository_ids).headers["ETag"] for repository_ids in SETS]
        assert len(set(tags)) == len(SETS), path


def test_a_warm_answer_is_not_computed_again(history: Marts, people: People) -> None:
    """Rows that came without a build's version are not seen: it is the kept answer."""
    assert people.read("/stats")["data"]["run_count"] == 3
    history.run(101, 10, "2026-01-02 00:00")
    history.add_up_days()
    assert people.read("/stats")["data"]["run_count"] == 3
    history.raise_version(1)
    assert people.read("/stats")["data"]["run_count"] == 4


def test_an_answer_that_failed_is_not_kept(
    history: Marts, people: People, server: "redis.Redis"
) -> None:
    with history.without_column("jobs", "queue_seconds"):
        assert people.ask("/stats?from=2026-01-01").status_code == 503
        assert keys(server) == set()
    assert people.ask("/stats?from=2026-01-01").status_code == 200


def test_what_is_kept_is_the_bodys_bytes_for_an_hour(
    history: Marts, people: People, server: "redis.Redis"
) -> None:
    body = people.ask("/workflows").data
    (key,) = keys(server)
    stored: Any = server.get(key)
    head, _, kept = stored[16:].partition(b"\n")
    assert head == b"gzip " and gzip.decompress(kept) == body
    assert 3500 < int(str(server.ttl(key))) <= 3600
