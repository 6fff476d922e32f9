"""Of several observations, one state."""

from typing import Any

import pytest

from tests.transform.reference.cases import at, column, job, marts, one, run, step

pytestmark = pytest.mark.unit


def test_a_final_state_is_newer_than_one_that_was_updated_later() -> None:
    final = run(1, "10:00", updated_at="10:05")
    approval = run(1, "10:00", "action_required", updated_at="10:20", head_branch=None)
    open_again = {**final, "status": "queued", "conclusion": None, "updated_at": at("10:30")}
    found = marts(webhook_runs=[approval, final, open_again])
    attempt = one(found["workflow_run_attempts"])
    assert (attempt["status"], attempt["conclusion"]) == ("completed", "success")


def test_of_two_final_states_the_one_that_was_updated_later_is_newer() -> None:
    seen = [run(1, "10:00", "failure", updated_at="10:05"), run(1, "10:00", updated_at=None)]
    attempt = one(marts(webhook_runs=[*seen, run(1, "10:00", updated_at="10:01")])["workflow_runs"])
    assert attempt["conclusion"] == "failure"


def test_the_zero_time_is_later_than_none() -> None:
    zero = job(9, "10:00", "10:00", "failure", completed_at="0001-01-01T00:00:00Z")
    names = [job(9, "10:00", "10:00", completed_at=None, name=name) for name in "abcdef"]
    assert (
        one(marts(run(1, "10:00"), webhook_jobs=[*names, zero])["jobs"])["conclusion"] == "failure"
    )


def test_what_describes_comes_from_the_next_that_has_it_and_empty_text_is_none() -> None:
    first = run(1, "10:00", status="in_progress", ended="", head_branch="topic", actor_login="a")
    second = run(1, "10:00", updated_at="10:05", head_branch="", actor_login=None)
    attempt = one(marts(webhook_runs=[second, first])["workflow_run_attempts"])
    assert (attempt["head_branch"], attempt["actor_login"]) == ("topic", "a")


def test_a_waiting_job_gives_its_start_to_none_that_began() -> None:
    queued = job(9, "10:00", "10:00", status="queued", ended="", completed_at=None)
    began = job(9, "10:02", "10:02", status="in_progress", ended="", completed_at=None)
    ended = job(9, "10:02", "10:05", started_at=None, created_at="10:00")
    found = marts(run(1, "10:00"), webhook_jobs=[queued, {**began, "created_at": None}, ended])
    told = one(found["jobs"])
    assert (told["queue_seconds"], told["duration_seconds"]) == (120, 180)

    without = one(marts(run(1, "10:00"), webhook_jobs=[queued, ended])["jobs"])
    assert (without["started_at"], without["queue_seconds"]) == (None, None)


def test_a_job_told_under_two_attempts_belongs_to_the_lower() -> None:
    told = [job(9, "10:00", "10:05", run_attempt=number) for number in (2, None, 1)]
    second = [job(8, "10:00", "10:05", run_attempt=number) for number in (None, 2)]
    first = [job(7, "10:00", "10:05", run_attempt=None)]
    found = marts(run(1, "10:00"), webhook_jobs=told + second + first)["jobs"]
    assert {row["job_id"]: row["run_attempt"] for row in found} == {9: 1, 8: 2, 7: 1}


def test_an_open_job_has_the_steps_of_who_saw_most_of_them() -> None:
    def seen(*steps: Any, **changes: Any) -> Any:
        row = job(9, "10:00", "10:00", status="in_progress", ended="", steps=list(steps))
        return {**row, "completed_at": None, **changes}

    running = step(2, None, status="in_progress")
    most = seen(step(1), step(2, "failure"))
    found = marts(run(1, "10:00"), webhook_jobs=[seen(step(1), running), most, seen(name="z")])
    assert one(found["jobs"])["failed_step_number"] == 2
    assert len(found["steps"]) == 2

    ended = job(9, "10:00", "10:05", steps=[])
    found = marts(run(1, "10:00"), webhook_jobs=[most, ended])
    assert found["steps"] == [], "the newest state of what ended is alone"


def test_a_job_that_was_seen_waiting_for_an_approval_was_gated() -> None:
    gated = job(9, "10:00", "10:00", status="waiting", ended="", completed_at=None)
    seen = [job(8, "10:00", "10:05"), job(9, "10:00", "10:05"), gated]
    found = marts(run(1, "10:00"), webhook_jobs=seen)["jobs"]
    assert {row["job_id"]: row["was_gated"] for row in found} == {8: False, 9: True}


def test_an_attempt_that_was_seen_waiting_for_an_approval_was_approved_once_it_is_not() -> None:
    waits = run(1, "10:00", "action_required")
    other = run(2, "10:00", "action_required")
    queued = run(1, "10:00", "", status="queued", updated_at="10:01")
    found = marts(webhook_runs=[waits, queued, other, run(3, "10:00")])
    for mart in ("workflow_run_attempts", "workflow_runs"):
        assert {row["run_id"]: row["was_approved"] for row in found[mart]} == {
            1: True, 2: False, 3: False,
        }  # fmt: skip
    again = run(1, "10:00", attempt=2, run_started_at="11:00")
    attempts = marts(webhook_runs=[waits, queued, again])["workflow_run_attempts"]
    assert column(attempts, "was_approved") == [True, False]


def test_a_job_that_its_attempt_lists_no_more_is_none() -> None:
    gone = job(9, "10:00", "10:05", gone_at="11:00")
    assert marts(run(1, "10:00"), gone, webhook_jobs=[job(9, "10:00", "10:05")])["jobs"] == []
