"""What others met when they collected: each with its right answer."""

import json
from datetime import timedelta
from typing import Any

import orjson
import pytest
from werkzeug.wrappers import Request, Response

from actionsight.repositories import add_selections, remove_selection
from github_standin.server.server import Fault
from tests.ingestion.assertions import assert_exact
from tests.ingestion.factories import (
    MINUTE,
    START,
    Installation,
    attempts_of,
    jobs_of,
    run,
    workflow,
)
from tests.ingestion.test_open_jobs import later

pytestmark = pytest.mark.integration

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def answering(path_part: str, body: Any, status: int = 200, *, query: str = "") -> Fault:
    """The answer to all requests whose path and query contain these."""

    def fault(request: Request) -> Response | None:
        if path_part in request.path and query in request.query_string.decode():
            return Response(
                body if isinstance(body, bytes) else orjson.dumps(body),
                status=status,
                content_type="application/json",
            )
        return None

    return fault


def altering(own: Installation, field: str, position: int, **values: Any) -> Fault:
    """One element of each listing is another; a value of `...` is left out."""

    def fault(request: Request) -> Response:
        response = own.server.answer(request)
        if response.status_code == 200:
            body = orjson.loads(response.get_data())
            if body.get(field):
                changed = body[field][position] | values
                body[field][position] = {k: v for k, v in changed.items() if v is not ...}
                response.set_data(json.dumps(body))  # also of numbers that orjson refuses
        return response

    return fault


def test_a_search_that_is_stale_claims_nothing_and_is_made_good(own: Installation) -> None:
    ci = workflow(own.world)
    runs = [run(ci, own.world, START - number * DAY) for number in range(1, 6)]
    own.monitor("octo/hello")
    empty = {"total_count": 0, "workflow_runs": []}
    own.server.fault = answering("/actions/runs", empty, query="created")
    results = own.collect()
    new = run(ci, own.world, START + MINUTE)
    own.clock.advance(10 * MINUTE)
    results = own.collect()

    # The head does not search.
    assert own.attempts() == attempts_of(new)
    assert "showed 0 of 5 runs" in results[-1].troubles["octo/hello"]
    state = own.repository("octo/hello")
    assert state["backfilled_from"] is None
    assert state["backfill_windows_completed"] == 0

    own.server.fault = None
    own.clock.advance(10 * MINUTE)
    results = own.collect()
    assert results[-1].troubles == {}
    assert own.attempts() == attempts_of(new, *runs)
    assert own.repository("octo/hello")["backfilled_from"] == START - 30 * DAY


def test_a_sweep_asks_for_none_of_many_runs_that_a_stale_search_leaves_out(
    own: Installation,
) -> None:
    ci = workflow(own.world)
    for number in range(101):
        own.world.add_run(ci, START - 20 * DAY + number * MINUTE, ended_at=START)
    own.monitor("octo/hello")
    own.collect()
    own.clock.advance(DAY)
    own.paths()
    empty = {"total_count": 0, "workflow_runs": []}
    own.server.fault = answering("/actions/runs", empty, query="created")
    results = own.collect("sweep")
    assert "leaves out 101 runs that it has" in results[-2].troubles["octo/hello"]
    assert own.repository("octo/hello")["swept_at"] is None
    assert len(own.paths()) <= 3

    own.server.fault = None
    own.clock.advance(10 * MINUTE)
    assert own.collect("sweep")[-2].troubles == {}
    assert own.query("select run_id from raw.workflow_runs where gone_at is not null") == []


def test_history_that_was_read_is_read_again_for_whoever_asks_for_it(own: Installation) -> None:
    ci = workflow(own.world)
    known = run(ci, own.world, START - DAY)
    own.monitor("octo/hello")
    own.collect()
    hidden = run(ci, own.world, START - 2 * DAY)
    own.collect(since=START - 10 * DAY)
    assert own.attempts() == attempts_of(known, hidden)


def test_a_repository_without_actions_has_no_runs_and_holds_nobody_up(own: Installation) -> None:
    ci = workflow(own.world)
    fine = run(ci, own.world, START - HOUR)
    own.world.add_repository("octo/hello-ghsa-1234-5678-9abc")
    own.monitor("octo/hello", "octo/hello-ghsa-1234-5678-9abc")
    own.server.fault = answering("9abc/actions/", {"message": "Not Found"}, 404)
    for _ in range(2):
        results = own.collect()
        own.clock.advance(10 * MINUTE)
    assert results[-1].troubles == {}
    assert own.attempts() == attempts_of(fine)
    without = own.repository("octo/hello-ghsa-1234-5678-9abc")
    assert (without["visibility"], without["unreachable_since"]) == ("public", None)
    assert without["backfilled_from"] == START - 30 * DAY
    unfinished = own.query("select loop, error from raw.polls where ended_at is null")
    assert unfinished == []


def test_stuck_runs_cost_ever_less(own: Installation) -> None:
    ci = workflow(own.world)
    at = START - 2 * HOUR
    for _ in range(6):
        own.world.add_run(ci, at, [later("lost", at, waits=1, lasts=None)])
    own.monitor("octo/hello")
    own.collect("head", "open")
    own.collect("head", "backfill", since=START - DAY)

    def asked_for(after: timedelta) -> int:
        own.clock.advance(after)
        own.collect("head", "open")
        own.paths()
        own.clock.advance(5 * MINUTE)
        own.collect("head", "open")
        return len([path for path in own.paths() if path.split("/")[-2] == "runs"])

    assert asked_for(timedelta()) == 6
    assert asked_for(120 * DAY) == 0


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("workflow_runs", {"id": ...}),
        ("workflow_runs", {"run_attempt": 10**9}),
        ("jobs", {"id": 2**70}),
    ],
)
def test_one_element_that_cannot_be_read_costs_only_itself(
    own: Installation, field: str, values: dict[str, Any]
) -> None:
    ci = workflow(own.world)
    at = START - 30 * MINUTE
    runs = [run(ci, own.world, at + number * MINUTE) for number in range(3)]
    own.monitor("octo/hello")
    own.server.fault = altering(own, field, 0, **values)
    results = own.collect("head", "open")
    newest = runs[-1].id
    if field == "jobs":
        assert own.attempts() == attempts_of(*runs)
        assert len(own.jobs()) == 3
    else:
        assert {row[0] for row in own.attempts()} == {each.id for each in runs} - {newest}
        assert own.jobs() == jobs_of(*runs[:-1])
    assert "left out" in results[-1].troubles["octo/hello"]
    assert own.repository("octo/hello")["trouble"] is not None

    own.server.fault = None
    own.clock.advance(10 * MINUTE)
    own.collect("head", "open")
    assert own.repository("octo/hello")["trouble"] is None


def test_half_of_a_character_is_left_out_of_a_title(own: Installation) -> None:
    ci = workflow(own.world)
    cut = run(ci, own.world, START - HOUR)

    def fault(request: Request) -> Response:
        response = own.server.answer(request)
        title = orjson.dumps(cut.display_title)[:-1]
        response.set_data(response.get_data().replace(title, title + b"\\ud83d"))
        return response

    own.monitor("octo/hello")
    own.server.fault = fault
    results = own.collect()
    assert results[-1].troubles == {}
    assert_exact(own)


def test_a_name_that_is_another_repositorys_by_now_is_found_when_it_is_added_again(
    own: Installation,
) -> None:
    run(workflow(own.world), own.world, START - HOUR)
    own.monitor("octo/hello")
    own.collect()
    (old,) = own.world.repositories.values()
    own.world.delete_repository(old)
    again = workflow(own.world, "octo/hello")
    new = run(again, own.world, START - HOUR)
    with own.connect() as connection:
        assert remove_selection(connection, "octo/hello")
        add_selections(connection, ["octo/hello"], again=True)
    own.collect()
    rows = own.query("select repository_id from app.repositories where removed_at is null")
    assert rows == [{"repository_id": again.repository_id}]
    assert (new.id, 1, "completed", "success") in own.attempts()
