"""The ready-made faults, each as a client meets it."""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from github_standin.server import faults
from github_standin.server.server import Server, serving
from github_standin.world.model import Repository, make_job
from github_standin.world.world import World
from tests.github_standin.client import MONDAY, Clock, get

pytestmark = pytest.mark.unit

RUNS = "/repos/octo/app/actions/runs"


@pytest.fixture
def server() -> Server:
    world = World(Clock())
    workflow = world.add_workflow(world.add_repository("octo/app"))
    world.add_repository("octo/other")
    for age in range(5):
        created_at = MONDAY - timedelta(hours=age)
        duration = None if age == 0 else 60
        world.add_run(workflow, created_at, [make_job("b", created_at, duration_seconds=duration)])
    return Server(world)


@pytest.fixture
def served(server: Server) -> Iterator[Server]:
    with serving(server.world) as running:
        yield running


def app(server: Server) -> Repository:
    found = server.world.repository_named("octo/app")
    assert found is not None
    return found


def statuses(server: Server, count: int, url: str = "/meta", **headers: str) -> list[int]:
    return [get(server, url, **headers).status_code for _ in range(count)]


def runs(server: Server, query: str = "") -> Any:
    return get(server, RUNS + query).get_json()


def test_every_fault_can_be_made_by_its_name(server: Server) -> None:
    for name in faults.NAMES:
        server.fault = faults.named(name, server, times=0)
        assert get(server, "/meta").status_code == 200


def test_a_share_is_struck_and_it_is_the_same_one_in_whatever_order(server: Server) -> None:
    urls = [f"/meta?{number}" for number in range(200)]

    def struck(order: list[str], seed: int) -> set[str]:
        server.fault = faults.named("gone", server, share=0.2, seed=seed)
        return {url for url in order if get(server, url).status_code == 410}

    first = struck(urls, seed=1)
    assert 20 < len(first) < 60
    assert struck(urls[::-1], seed=1) == first
    assert struck(urls, seed=2) != first


def test_a_request_that_is_tried_again_can_succeed(server: Server) -> None:
    server.fault = faults.named("gone", server, share=0.5)
    assert set(statuses(server, 20)) == {200, 410}


def test_it_strikes_what_was_named_and_so_often(server: Server) -> None:
    server.fault = faults.named("gone", server, paths=r"/jobs$", times=2)
    assert statuses(server, 2) == [200, 200]
    assert statuses(server, 3, f"{RUNS}/1/jobs") == [410, 410, 404]
    server.fault = faults.named("legal_reasons", server, repository=app(server))
    assert get(server, "/repos/octo/other").status_code == 200
    for url in ("/repos/Octo/app", RUNS, f"/repositories/{app(server).id}/actions/runs"):
        assert get(server, url).status_code == 451


def test_faults_can_be_put_together(server: Server) -> None:
    server.fault = faults.together(
        faults.named("gone", server, paths="runs"), faults.named("forbidden", server, paths="octo")
    )
    found = [get(server, url).status_code for url in (RUNS, "/repos/octo/app", "/meta")]
    assert found == [410, 403, 200]


def test_errors_of_the_server_are_of_several_kinds(server: Server) -> None:
    server.fault = faults.named("server_error", server)
    found = Counter(get(server, f"/meta?{number}").status_code for number in range(60))
    assert set(found) == {500, 502, 503, 504}


def test_bodies_that_are_no_answer(server: Server) -> None:
    whole = get(server, RUNS).get_data()
    found = {}
    for name in ("html_with_200", "empty_body", "truncated_json"):
        server.fault = faults.named(name, server)
        answer = get(server, RUNS)
        assert answer.status_code == 200
        found[name] = answer.get_data()
    assert found["html_with_200"].startswith(b"<!DOCTYPE html>")
    assert found["empty_body"] == b""
    assert found["truncated_json"] == whole[: len(whole) // 2]


def test_the_connection_breaks(served: Server) -> None:
    for body_bytes in (None, 100):
        served.fault = faults.named("connection_reset", served, body_bytes=body_bytes)
        with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
            requests.get(served.url + RUNS, timeout=5)


def test_who_asks_for_many_rows_is_too_slow(server: Server) -> None:
    server.fault = faults.named("slow", server, most_rows=30)
    assert get(server, f"{RUNS}?per_page=100").status_code == 502
    assert get(server, f"{RUNS}?per_page=30").status_code == 200
    assert get(server, RUNS).status_code == 200


def test_an_expired_token_stays_so_and_another_is_good(server: Server) -> None:
    server.fault = faults.named("expired_token", server, share=0.3, times=1)
    old = statuses(server, 30, Authorization="Bearer old")
    ended = old.index(401)
    assert old == [200] * ended + [401] * (30 - ended)
    assert statuses(server, 20, Authorization="Bearer new") == [200] * 20


def test_rows_that_come_twice_and_wrong_counts(server: Server) -> None:
    server.fault = faults.named("duplicate_rows", server)
    body = runs(server, "?per_page=3")
    ids = [run["id"] for run in body["workflow_runs"]]
    assert (body["total_count"], len(ids), ids[-1]) == (5, 4, ids[-2])
    server.fault = faults.named("wrong_total_count", server, by=-2)
    assert runs(server)["total_count"] == 3
    assert get(server, "/repos/octo/app").get_json()["full_name"] == "octo/app"


def test_conclusions_that_are_empty_or_null(server: Server) -> None:
    [newest, *_] = runs(server)["workflow_runs"]
    server.fault = faults.named("empty_conclusions", server)
    found = [run["conclusion"] for run in runs(server)["workflow_runs"]]
    assert found == ["", "success", "success", "success", "success"]
    assert get(server, f"{RUNS}/{newest['id']}").get_json()["conclusion"] == ""
    assert get(server, f"{RUNS}/{newest['id']}/jobs").get_json()["jobs"][0]["conclusion"] == ""
    server.fault = faults.named("null_conclusions", server)
    assert {run["conclusion"] for run in runs(server)["workflow_runs"]} == {None}


def test_pages_drift_while_runs_are_created(server: Server) -> None:
    server.fault = faults.named("drifting_pages", server, runs=2)
    first = runs(server, "?per_page=3")
    second = get(server, f"/repositories/{app(server).id}/actions/runs?per_page=3&page=2")
    seen = [run["id"] for body in (first, second.get_json()) for run in body["workflow_runs"]]
    assert first["total_count"] == 7
    assert second.get_json()["total_count"] == 9
    assert len(seen) - len(set(seen)) == 2


def test_the_readme_names_every_fault() -> None:
    readme = (Path(faults.__file__).parents[1] / "README.md").read_text()
    assert set(faults.NAMES) <= set(re.findall(r"`(\w+)`", readme))
