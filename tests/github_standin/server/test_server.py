"""Tokens, limits, ETags, the log of requests and faults, over real sockets."""

import json
import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
import requests
from werkzeug.wrappers import Request, Response

from github_standin.server.server import Break, Server, serving
from github_standin.world.model import make_job
from github_standin.world.world import World
from tests.github_standin.client import MONDAY, Clock

pytestmark = pytest.mark.unit

BEARER = {"Authorization": "Bearer secret"}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server(clock: Clock) -> Iterator[Server]:
    world = World(clock)
    workflow = world.add_workflow(world.add_repository("octo/app"))
    world.add_run(workflow, MONDAY, [make_job("build", MONDAY)])
    with serving(world, token="secret", rate_limit=5) as running:
        yield running


def get(server: Server, path: str, **headers: str) -> requests.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.get(server.url + path, headers=BEARER | named, timeout=5)


def test_only_the_configured_token_is_accepted(server: Server) -> None:
    assert get(server, "/repos/octo/app").status_code == 200
    assert get(server, "/repos/octo/app", Authorization="token secret").status_code == 200
    wrong = get(server, "/repos/octo/app", Authorization="Bearer other")
    assert (wrong.status_code, wrong.json()["message"]) == (401, "Bad credentials")
    missing = requests.get(f"{server.url}/repos/octo/app", timeout=5)
    assert (missing.status_code, missing.json()["message"]) == (401, "Requires authentication")


def test_without_a_configured_token_everything_but_the_user_is_open() -> None:
    world = World(Clock())
    world.add_repository("octo/app")
    with serving(world) as open_to_all:
        assert requests.get(f"{open_to_all.url}/repos/octo/app", timeout=5).status_code == 200
        assert requests.get(f"{open_to_all.url}/user", timeout=5).status_code == 401
        assert get(open_to_all, "/user").json()["login"] == "github-standin"


def test_an_unchanged_answer_is_a_304_that_costs_nothing(server: Server, clock: Clock) -> None:
    path = "/repos/octo/app/actions/runs"
    first = get(server, path)
    assert first.headers["X-RateLimit-Used"] == "1"
    again = get(server, path, If_None_Match=first.headers["ETag"])
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["X-RateLimit-Used"] == "1"
    assert again.headers["ETag"] == first.headers["ETag"]
    clock.now = MONDAY + timedelta(seconds=10)
    changed = get(server, path, If_None_Match=first.headers["ETag"])
    assert (changed.status_code, changed.headers["X-RateLimit-Used"]) == (200, "2")
    assert changed.headers["ETag"] != first.headers["ETag"]


def test_an_etag_holds_for_its_token_only() -> None:
    world = World(Clock())
    world.add_repository("octo/app")
    with serving(world) as open_to_all:
        tag = get(open_to_all, "/repos/octo/app").headers["ETag"]
        other = get(open_to_all, "/repos/octo/app", Authorization="Bearer b", If_None_Match=tag)
        assert other.status_code == 200


def test_used_up_requests_are_refused_until_the_hour_is_over(server: Server, clock: Clock) -> None:
    for used in range(1, 6):
        answer = get(server, "/repos/octo/app")
        assert answer.headers["X-RateLimit-Remaining"] == str(5 - used)
    refused = get(server, "/repos/octo/app")
    assert (refused.status_code, refused.headers["X-RateLimit-Remaining"]) == (403, "0")
    reset = int((MONDAY + timedelta(hours=1)).timestamp())
    assert refused.headers["X-RateLimit-Reset"] == str(reset)
    assert get(server, "/rate_limit").json()["rate"] == {
        "limit": 5,
        "used": 5,
        "remaining": 0,
        "reset": reset,
    }
    clock.now = MONDAY + timedelta(hours=1)
    assert get(server, "/repos/octo/app").status_code == 200


def test_answers_carry_the_worlds_date_and_the_chosen_version(server: Server) -> None:
    answer = get(server, "/repos/octo/app", X_GitHub_Api_Version="2022-11-28")
    assert answer.headers["Date"] == "Mon, 08 Sep 2025 12:00:00 GMT"
    assert answer.headers["X-GitHub-Api-Version-Selected"] == "2022-11-28"
    assert get(server, "/repos/octo/app", X_GitHub_Api_Version="1999-01-01").status_code == 400


def test_a_request_without_a_user_agent_is_forbidden(server: Server) -> None:
    assert get(server, "/repos/octo/app", User_Agent="").status_code == 403


def test_what_was_asked_can_be_read(server: Server) -> None:
    get(server, "/repos/octo/app/actions/runs?per_page=5")
    get(server, "/repos/octo/none")
    first, second = server.requests
    assert (first.method, first.path) == ("GET", "/repos/octo/app/actions/runs")
    assert (first.query, first.status, first.at) == ({"per_page": "5"}, 200, MONDAY)
    assert second.status == 404
    assert server.paths() == ["/repos/octo/app/actions/runs", "/repos/octo/none"]


def test_a_fault_can_answer_instead(server: Server) -> None:
    server.fault = lambda request: Response(status=502) if request.path == "/meta" else None
    assert get(server, "/meta").status_code == 502
    assert get(server, "/repos/octo/app").status_code == 200
    assert [logged.status for logged in server.requests] == [502, 200]


def test_a_fault_can_alter_the_usual_answer(server: Server) -> None:
    def twice(request: Request) -> Response:
        response = server.answer(request)
        body = json.loads(response.get_data())
        response.set_data(json.dumps(body | {"workflow_runs": body["workflow_runs"] * 2}))
        return response

    server.fault = twice
    runs = get(server, "/repos/octo/app/actions/runs").json()
    assert (runs["total_count"], len(runs["workflow_runs"])) == (1, 2)


def test_a_fault_that_raises_is_a_500(server: Server) -> None:
    def fault(_: Request) -> None:
        raise ValueError("on purpose")

    server.fault = fault
    assert get(server, "/meta").status_code == 500


def test_a_fault_can_break_the_connection_before_or_within_the_answer(server: Server) -> None:
    server.fault = lambda _: Break()
    with pytest.raises(requests.ConnectionError):
        get(server, "/repos/octo/app")
    server.fault = lambda _: Break(body_bytes=20)
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        get(server, "/repos/octo/app")
    assert [logged.status for logged in server.requests] == [0, 200]


def test_a_broken_connection_leaves_no_trace(
    server: Server, capfd: pytest.CaptureFixture[str]
) -> None:
    server.fault = lambda _: Break()
    with pytest.raises(requests.ConnectionError):
        requests.post(f"{server.url}/login/oauth/access_token", data={"code": "c"}, timeout=5)
    server.fault = None
    assert get(server, "/repos/octo/app").status_code == 200
    assert "Exception" not in capfd.readouterr().err


def test_a_slow_answer_does_not_hold_up_others(server: Server) -> None:
    go_on = threading.Event()

    def fault(request: Request) -> None:
        if request.path == "/rate_limit":
            assert go_on.wait(10)

    server.fault = fault
    slow = threading.Thread(target=get, args=(server, "/rate_limit"))
    slow.start()
    assert get(server, "/repos/octo/app").status_code == 200
    go_on.set()
    slow.join(10)
    assert server.paths() == ["/repos/octo/app", "/rate_limit"]


def test_a_port_that_is_taken_is_an_error(server: Server) -> None:
    port = int(server.url.rpartition(":")[2])
    with pytest.raises(OSError, match="in use"), serving(World(), port=port):
        pass


def test_after_the_end_nobody_answers() -> None:
    with serving(World()) as server:
        assert requests.get(f"{server.url}/meta", timeout=5).status_code == 200
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{server.url}/meta", timeout=5)
