"""What others met when they collected: each with its right answer."""

import json
from datetime import timedelta
from typing import Any

import orjson
import pytest
from werkzeug.wrappers import Request, Response

from actionsight.repositories import add_selections, remove_selection
from github_standin.server.server import Break, Fault
from github_standin.world.model import Run
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
from tests.ingestion.scenarios import HEAD, POLL, SWEEP, Own, Poll, Scenario, Steps
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


def a_search_that_is_stale_claims_nothing_and_is_made_good(own: Own) -> Steps:
    ci = own.monitored()
    runs = [run(ci, own.world, START - number * DAY) for number in range(1, 6)]
    empty = {"total_count": 0, "workflow_runs": []}
    own.fault = answering("/actions/runs", empty, query="created")
    troubles = yield POLL
    new = run(ci, own.world, START + MINUTE)
    yield 10 * MINUTE
    troubles = yield POLL

    # The head does not search.
    assert own.attempts() == attempts_of(new)
    assert "showed 0 of 5 runs" in troubles[own.name]
    state = own.repository(own.name)
    assert state["backfilled_from"] is None
    assert state["backfill_windows_completed"] == 0

    own.fault = None
    yield 10 * MINUTE
    troubles = yield POLL
    assert troubles == {}
    assert own.attempts() == attempts_of(new, *runs)
    assert own.repository(own.name)["backfilled_from"] == START - 30 * DAY


def a_sweep_asks_for_none_of_many_runs_that_a_stale_search_leaves_out(own: Own) -> Steps:
    ci = own.monitored()
    for number in range(101):
        own.world.add_run(ci, START - 20 * DAY + number * MINUTE, ended_at=START)
    yield Poll(has_jobs=False)
    yield DAY
    own.paths()
    empty = {"total_count": 0, "workflow_runs": []}
    own.fault = answering("/actions/runs", empty, query="created")
    troubles = yield SWEEP
    assert "leaves out 101 runs that it has" in troubles[own.name]
    assert own.repository(own.name)["swept_at"] is None
    assert len(own.paths()) <= 3

    own.fault = None
    yield 10 * MINUTE
    troubles = yield SWEEP
    assert troubles == {}
    assert {row["gone_at"] for row in own.everything()["workflow_runs"]} == {None}


def history_that_was_read_is_read_again_for_whoever_asks_for_it(own: Own) -> Steps:
    ci = own.monitored()
    known = run(ci, own.world, START - DAY)
    yield POLL
    hidden = run(ci, own.world, START - 2 * DAY)
    yield Poll(since=START - 10 * DAY)
    assert own.attempts() == attempts_of(known, hidden)


def a_repository_without_actions_has_no_runs_and_holds_nobody_up(own: Own) -> Steps:
    ci = own.monitored()
    fine = run(ci, own.world, START - HOUR)
    advisory = own.named("hello-ghsa-1234-5678-9abc")
    own.world.add_repository(advisory)
    own.monitor(advisory)
    own.fault = answering("9abc/actions/", {"message": "Not Found"}, 404)
    for _ in range(2):
        troubles = yield POLL
        yield 10 * MINUTE
    assert troubles == {}
    assert own.attempts() == attempts_of(fine)
    without = own.repository(advisory)
    assert (without["visibility"], without["unreachable_since"]) == ("public", None)
    assert without["backfilled_from"] == START - 30 * DAY
    unfinished = own.query(
        "select loop, error from raw.polls where ended_at is null and repository_id = any(%s)",
        own.repository_ids(),
    )
    assert unfinished == []


def stuck_runs_cost_ever_less(own: Own) -> Steps:
    ci = own.monitored()
    at = START - 2 * HOUR
    for _ in range(6):
        own.world.add_run(ci, at, [later("lost", at, waits=1, lasts=None)])
    yield HEAD
    yield Poll(("head", "backfill"), since=START - DAY)
    asked_for = []
    for after in (timedelta(), 120 * DAY):
        yield after
        yield HEAD
        own.paths()
        yield 5 * MINUTE
        yield HEAD
        asked_for.append(len([path for path in own.paths() if path.split("/")[-2] == "runs"]))
    assert asked_for == [6, 0]


def one_element_that_cannot_be_read_costs_only_itself(own: Own) -> Steps:
    altered: dict[str, tuple[str, dict[str, Any]]] = {
        "unknown-run": ("workflow_runs", {"id": ...}),
        "impossible-attempt": ("workflow_runs", {"run_attempt": 10**9}),
        "impossible-job": ("jobs", {"id": 2**70}),
    }
    at = START - 30 * MINUTE
    readable: list[Run] = []
    of_jobs: list[Run] = []
    for name, (field, _) in altered.items():
        ci = own.monitored(name)
        runs = [run(ci, own.world, at + number * MINUTE) for number in range(3)]
        if field == "jobs":
            of_jobs = runs
        else:
            readable += runs[:-1]

    def fault(request: Request) -> Response | Break | None:
        field, values = altered[request.path.split("/")[3]]
        return altering(own, field, 0, **values)(request)

    own.fault = fault
    troubles = yield HEAD
    assert own.attempts() == attempts_of(*readable, *of_jobs)
    jobs = own.jobs()
    assert jobs > jobs_of(*readable)
    assert len(jobs - jobs_of(*readable)) == len(jobs & jobs_of(*of_jobs)) == 3
    for name in altered:
        assert "left out" in troubles[own.named(name)]
        assert own.repository(own.named(name))["trouble"] is not None

    own.fault = None
    yield 10 * MINUTE
    yield HEAD
    for name in altered:
        assert own.repository(own.named(name))["trouble"] is None


def half_of_a_character_is_left_out_of_a_title(own: Own) -> Steps:
    ci = own.monitored()
    cut = run(ci, own.world, START - HOUR)

    def fault(request: Request) -> Response:
        response = own.server.answer(request)
        title = orjson.dumps(cut.display_title)[:-1]
        response.set_data(response.get_data().replace(title, title + b"\\ud83d"))
        return response

    own.fault = fault
    troubles = yield POLL
    assert troubles == {}
    assert_exact(own)


def a_name_that_is_another_repositorys_by_now_is_found_when_it_is_added_again(own: Own) -> Steps:
    old = own.monitored()
    run(old, own.world, START - HOUR)
    yield POLL
    own.world.delete_repository(own.world.repositories[old.repository_id])
    again = workflow(own.world, own.name)
    new = run(again, own.world, START - HOUR)
    with own.connect() as connection:
        assert remove_selection(connection, own.name)
        add_selections(connection, [own.name], again=True)
    yield POLL
    rows = own.query(
        """
        select repository_id from app.repositories
        where removed_at is null and repository_id = any(%s)
        """,
        [old.repository_id, again.repository_id],
    )
    assert rows == [{"repository_id": again.repository_id}]
    assert (new.id, 1, "completed", "success") in own.attempts()


SCENARIOS: tuple[Scenario, ...] = (
    a_search_that_is_stale_claims_nothing_and_is_made_good,
    a_sweep_asks_for_none_of_many_runs_that_a_stale_search_leaves_out,
    history_that_was_read_is_read_again_for_whoever_asks_for_it,
    a_repository_without_actions_has_no_runs_and_holds_nobody_up,
    stuck_runs_cost_ever_less,
    one_element_that_cannot_be_read_costs_only_itself,
    half_of_a_character_is_left_out_of_a_title,
    a_name_that_is_another_repositorys_by_now_is_found_when_it_is_added_again,
)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test(failures: dict[Scenario, Exception], scenario: Scenario) -> None:
    if failure := failures.get(scenario):
        raise failure
