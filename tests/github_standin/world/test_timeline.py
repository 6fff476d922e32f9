"""What happens in a world, in which order, and that no window loses or repeats any of it."""

import json
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from github_standin.server.server import Server
from github_standin.webhooks.deliveries import Delivery, deliveries_between
from github_standin.world.model import Job, Repository, Run, Workflow, make_job
from github_standin.world.world import World
from tests.github_standin.client import MONDAY, Clock, body
from tests.github_standin.strategies import worlds

pytestmark = pytest.mark.unit

SECOND = timedelta(seconds=1)
RUNS = "/repos/octo/app/actions/runs"
EVER = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


class Octo:
    """One repository with one workflow."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.world = World(self.clock)
        self.repository: Repository = self.world.add_repository("octo/app")
        self.workflow: Workflow = self.world.add_workflow(self.repository)

    def run(self, *jobs: Job, **fields: Any) -> Run:
        return self.world.add_run(self.workflow, MONDAY, jobs, **fields)

    def told(self) -> list[str]:
        """All that ever happens: seconds after Monday noon, event's word, action, status."""
        return [line(delivery) for delivery in deliveries_between(self.world, *EVER)]


def line(delivery: Delivery) -> str:
    seconds = (delivery.moment - MONDAY).total_seconds()
    payload = json.loads(delivery.body)
    shown = payload.get("workflow_job") or payload.get("workflow_run") or {}
    word = {"workflow_job": shown.get("name"), "workflow_run": "run"}.get(delivery.event)
    status = shown.get("conclusion") or shown.get("status")
    return f"{seconds:g} {word} {delivery.action}: {status}"


@pytest.fixture
def octo() -> Octo:
    return Octo()


def test_a_run_and_its_job_are_told_of_from_beginning_to_end(octo: Octo) -> None:
    octo.run(make_job("build", MONDAY, queue_seconds=10, duration_seconds=60))
    assert octo.told() == [
        "0 run requested: queued",
        "0 build queued: queued",
        "10 run in_progress: in_progress",
        "10 build in_progress: in_progress",
        "70 build completed: success",
        "70 run completed: success",
    ]


def test_a_dependent_job_is_queued_when_it_appears(octo: Octo) -> None:
    later = MONDAY + 100 * SECOND
    octo.run(make_job("build", MONDAY), make_job("deploy", later, conclusion="failure"))
    assert octo.told()[4:] == [
        "70 build completed: success",
        "100 deploy queued: queued",
        "110 deploy in_progress: in_progress",
        "170 deploy completed: failure",
        "170 run completed: failure",
    ]


def test_a_rerun_begins_with_in_progress_and_its_carried_over_jobs_tell_nothing(
    octo: Octo,
) -> None:
    run = octo.run(make_job("build", MONDAY), make_job("test", MONDAY, conclusion="failure"))
    again = MONDAY + 600 * SECOND
    octo.world.add_attempt(run, again, [make_job("test", again)])
    assert [line for line in octo.told() if float(line.split()[0]) >= 600] == [
        "600 test queued: queued",
        "610 run in_progress: in_progress",
        "610 test in_progress: in_progress",
        "670 test completed: success",
        "670 run completed: success",
    ]


def test_a_rerun_of_carried_over_jobs_alone_is_only_completed(octo: Octo) -> None:
    run = octo.run(make_job("build", MONDAY))
    octo.world.add_attempt(run, MONDAY + 600 * SECOND)
    assert octo.told()[-1] == "600 run completed: success"
    assert len(octo.told()) == 7


def test_an_attempt_that_cannot_be_had_tells_nothing(octo: Octo) -> None:
    run = octo.run(make_job("build", MONDAY))
    again = MONDAY + 600 * SECOND
    octo.world.add_attempt(run, again, [make_job("build", again)])
    octo.world.lose_attempt(run, 1)
    assert [line.split()[0] for line in octo.told()] == ["600", "610", "610", "670", "670"]
    octo.world.delete_run(run)
    assert octo.told() == []


def test_skipped_jobs_are_only_completed_and_jobs_cancelled_in_the_queue_never_in_progress(
    octo: Octo,
) -> None:
    octo.run(
        make_job("skipped", MONDAY, queue_seconds=0, duration_seconds=0, conclusion="skipped"),
        Job(11, "cancelled", MONDAY, None, MONDAY + 30 * SECOND, "cancelled"),
    )
    assert [line for line in octo.told() if "run" not in line] == [
        "0 cancelled queued: queued",
        "0 skipped completed: skipped",
        "30 cancelled completed: cancelled",
    ]


def test_a_job_that_waits_for_approval_is_queued_while_its_status_still_says_waiting(
    octo: Octo,
) -> None:
    job = make_job("deploy", MONDAY, queue_seconds=300)
    job.waiting_status = "waiting"
    octo.run(job)
    assert [line for line in octo.told() if "run" not in line] == [
        "0 deploy waiting: waiting",
        "300 deploy queued: waiting",
        "300 deploy in_progress: in_progress",
        "360 deploy completed: success",
    ]


def test_a_run_can_be_requested_already_completed(octo: Octo) -> None:
    octo.run(ended_at=MONDAY, conclusion="action_required")
    assert octo.told() == [
        "0 run requested: action_required",
        "0 run completed: action_required",
    ]


def test_an_executed_job_of_no_length_still_was_in_progress(octo: Octo) -> None:
    octo.run(make_job("quick", MONDAY, duration_seconds=0))
    assert octo.told()[2:4] == [
        "10 quick in_progress: in_progress",
        "10 quick completed: success",
    ]


def test_what_has_no_end_is_never_completed(octo: Octo) -> None:
    octo.run(make_job("forever", MONDAY, duration_seconds=None))
    assert len(octo.told()) == 4
    assert not any("completed" in line for line in octo.told())


def test_a_job_shows_a_runner_and_steps_only_once_it_has_them(octo: Octo) -> None:
    octo.run(make_job("build", MONDAY))
    jobs = {
        of.action: json.loads(of.body)["workflow_job"]
        for of in deliveries_between(octo.world, *EVER)
        if of.event == "workflow_job"
    }
    assert jobs["queued"]["runner_name"] is None
    assert jobs["queued"]["started_at"] == jobs["queued"]["created_at"]
    assert jobs["in_progress"]["runner_name"] == "GitHub Actions 7"
    assert jobs["in_progress"]["completed_at"] is None
    assert jobs["completed"]["completed_at"] == "2025-09-08T12:01:10Z"


def test_a_changed_repository_is_told_of_as_it_was_at_each_moment(octo: Octo) -> None:
    octo.run(make_job("build", MONDAY))
    octo.clock.now = MONDAY + 20 * SECOND
    octo.world.rename_repository(octo.repository, "octo/tool")
    octo.clock.now = MONDAY + 30 * SECOND
    octo.world.privatize_repository(octo.repository)
    octo.world.publicize_repository(octo.repository)
    octo.world.archive_repository(octo.repository)
    told = deliveries_between(octo.world, *EVER)
    payloads = [json.loads(of.body) for of in told]
    changes = [p for of, p in zip(told, payloads, strict=True) if of.event == "repository"]
    assert [p["action"] for p in changes] == ["renamed", "privatized", "publicized", "archived"]
    assert changes[0]["changes"] == {"repository": {"name": {"from": "app"}}}
    assert changes[0]["repository"]["full_name"] == "octo/tool"
    assert [p["repository"]["private"] for p in changes] == [False, True, False, False]
    assert [p["repository"]["archived"] for p in changes] == [False, False, False, True]
    names = [(p["repository"]["full_name"], p["repository"]["id"]) for p in payloads]
    assert names[0] == ("octo/app", octo.repository.id)
    assert payloads[0]["workflow_run"]["repository"]["full_name"] == "octo/app"
    assert payloads[0]["workflow_run"]["head_repository"]["full_name"] == "octo/app"
    assert names[-1] == ("octo/tool", octo.repository.id)


def test_a_deleted_repository_tells_nothing(octo: Octo) -> None:
    octo.run(make_job("build", MONDAY))
    octo.world.privatize_repository(octo.repository)
    octo.world.delete_repository(octo.repository)
    assert octo.told() == []


def test_the_same_event_has_the_same_delivery_id_and_others_have_others(octo: Octo) -> None:
    run = octo.run(make_job("build", MONDAY))
    octo.world.add_attempt(run, MONDAY + 600 * SECOND, [make_job("build", MONDAY + 600 * SECOND)])
    octo.world.privatize_repository(octo.repository)
    octo.world.publicize_repository(octo.repository)
    octo.world.privatize_repository(octo.repository)
    first, again = (deliveries_between(octo.world, *EVER) for _ in range(2))
    assert first == again
    assert len({delivery.delivery_id for delivery in first}) == len(first)


def test_an_apps_hook_names_the_installation_and_addresses_begin_where_asked(octo: Octo) -> None:
    octo.run(make_job("build", MONDAY))
    [first, *_] = deliveries_between(
        octo.world, *EVER, api="http://127.0.0.1:1", installation_id=99
    )
    payload = json.loads(first.body)
    assert payload["installation"]["id"] == 99
    assert payload["workflow_run"]["url"].startswith("http://127.0.0.1:1/repos/octo/app/")
    assert payload["organization"]["login"] == "octo"
    assert payload["sender"]["login"] == "octocat"


def ids(deliveries: Iterable[Delivery]) -> list[str]:
    return [delivery.delivery_id for delivery in deliveries]


@settings(max_examples=50, deadline=None)
@given(world=worlds(), cuts=st.lists(st.integers(-10, 300), max_size=6))
def test_a_window_may_be_cut_anywhere(world: World, cuts: list[int]) -> None:
    whole = deliveries_between(world, *EVER)
    moments = [of.moment for of in whole]
    assert moments == sorted(moments)
    bounds = sorted([*EVER, *(MONDAY + cut * SECOND for cut in cuts), *moments[::3]])
    parts = [of for window in pairwise(bounds) for of in deliveries_between(world, *window)]
    assert parts == whole
    assert len(set(ids(whole))) == len(whole)


@settings(max_examples=150, deadline=None)
@given(world=worlds())
@pytest.mark.thorough
def test_payloads_agree_with_what_polling_shows_at_that_moment(world: World) -> None:
    clock = Clock()
    world.clock = clock
    server = Server(world)
    for delivery in deliveries_between(world, *EVER):
        clock.now = delivery.moment
        payload = json.loads(delivery.body)
        if delivery.event == "workflow_run":
            url = f"{RUNS}/{delivery.run_id}/attempts/{delivery.run_attempt}"
            shown, polled = payload["workflow_run"], body(server, url)
        else:
            url = f"/repos/octo/app/actions/jobs/{delivery.job_id}"
            shown, polled = payload["workflow_job"], body(server, url)
            if delivery.action != "completed" and shown["status"] != polled["status"]:
                continue  # its next state began in the same moment
        assert without_addresses(shown) == without_addresses(polled)


def without_addresses(shown: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in shown.items() if not isinstance(value, (str, dict))} | {
        key: value for key, value in shown.items() if key.endswith(("_at", "status", "conclusion"))
    }


def test_every_recorded_job_is_told_of_once_in_each_state(
    recorded_world: World, recorded_deliveries: list[Delivery]
) -> None:
    [bitcoin] = [
        of.id for of in recorded_world.repositories.values() if of.full_name == "bitcoin/bitcoin"
    ]
    runs = [run for run in recorded_world.runs.values() if run.repository_id == bitcoin]
    jobs = [job for run in runs for job in run.attempts[0].jobs]
    told = [of for of in recorded_deliveries if of.repository_id == bitcoin]
    counts = Counter((of.event, of.action) for of in told)
    executed = {job.id for job in jobs if job.runner is not None}
    for action in ("queued", "in_progress", "completed"):
        found = Counter(
            of.job_id for of in told if (of.event, of.action) == ("workflow_job", action)
        )
        assert set(found.values()) == {1}
        assert executed <= set(found)
    assert counts["workflow_job", "completed"] == len(jobs) == 6_083
    assert counts["workflow_job", "in_progress"] == len(executed)
    assert counts["workflow_run", "requested"] == counts["workflow_run", "completed"] == 340
    assert len(set(ids(told))) == len(told)
