"""While a default branch is red."""

from typing import Any

import pytest

from tests.transform.reference.cases import job, marts, one, run, state

pytestmark = pytest.mark.unit


def ended(
    run_id: int, started: str, at: str, ended: str = "success", created: str = "", **changes: Any
) -> list[Any]:
    """A run with a job that lasted from its start, as a rule its creation, to its end."""
    number = changes.get("run_attempt", 1)
    row = run(run_id, created or started, ended, head_sha=f"sha {run_id}", run_started_at=started)
    own = job(run_id * 10 + number, started, at, ended, run_id=run_id, run_attempt=number)
    return [{**row, **changes}, own]


def intervals(*runs: list[Any], **tables: Any) -> list[Any]:
    return marts(*(row for each in runs for row in each), **tables)["branch_health_intervals"]


def clock(row: Any) -> tuple[str, str | None]:
    ended_at = row["ended_at"]
    return row["started_at"].strftime("%H:%M"), ended_at and ended_at.strftime("%H:%M")


GREEN = ended(1, "08:00", "08:10")


def test_a_failure_that_ends_after_a_newer_pass_is_never_red() -> None:
    a = ended(2, "10:00", "10:10", "failure")
    b = ended(3, "10:05", "10:08")
    assert intervals(a, b) == []
    assert intervals(GREEN, a, b) == []


def test_red_from_the_failures_end_to_the_passes_end() -> None:
    found = one(
        intervals(
            GREEN,
            ended(2, "10:00", "10:10", "failure"),
            ended(3, "10:05", "10:15", "timed_out"),
            ended(4, "10:20", "10:30"),
            ended(5, "10:25", "10:30", "failure", head_branch="topic"),
        )
    )
    assert clock(found) == ("10:10", "10:30")
    expected = {
        "repository_id": 101, "workflow_id": 201, "health_group": "default_branch",
        "first_failed_run_id": 2, "first_failed_run_attempt": 1, "first_failed_sha": "sha 2",
        "recovered_run_id": 4, "recovered_run_attempt": 1, "recovered_sha": "sha 4",
        "duration_seconds": 1200, "failed_attempt_count": 2, "is_start_known": True,
    }  # fmt: skip
    assert expected.items() <= found.items()


def test_a_run_that_a_later_attempt_turned_green_is_red_in_between() -> None:
    again = ended(2, "11:00", "11:10", created="10:00", run_attempt=2)
    found = one(intervals(GREEN, ended(2, "10:00", "10:10", "failure"), again))
    assert clock(found) == ("10:10", "11:10")
    assert (found["recovered_run_id"], found["recovered_run_attempt"]) == (2, 2)


def test_red_again_is_another_interval() -> None:
    found = intervals(
        GREEN,
        ended(2, "10:00", "10:10", "failure"),
        ended(3, "10:20", "10:30"),
        ended(4, "10:40", "10:50", "failure"),
        ended(5, "11:00", "11:10"),
    )
    assert [clock(row) for row in found] == [("10:10", "10:30"), ("10:50", "11:10")]
    assert [row["failed_attempt_count"] for row in found] == [1, 1]


def test_a_failure_of_an_older_run_counts_in_the_interval_but_does_not_begin_it() -> None:
    late = ended(2, "09:00", "10:20", "failure")
    newer = ended(3, "10:00", "10:10", "failure")
    found = one(intervals(GREEN, late, newer))
    assert clock(found) == ("10:10", None)
    assert (found["first_failed_run_id"], found["failed_attempt_count"]) == (3, 2)
    assert (found["duration_seconds"], found["recovered_run_id"]) == (None, None)


def test_what_begins_with_the_first_known_attempt_has_no_known_start() -> None:
    found = one(intervals(ended(2, "10:00", "10:10", "failure"), ended(3, "11:00", "11:10")))
    assert not found["is_start_known"]
    assert found["duration_seconds"] == 3600


def test_a_startup_failure_is_red_as_it_starts_and_other_ends_change_nothing() -> None:
    broken = [run(2, "10:00", "startup_failure", updated_at="5 10:00")]
    cancelled = ended(3, "10:10", "10:20", "cancelled")
    found = one(intervals(GREEN, broken, cancelled, ended(4, "11:00", "11:10")))
    assert clock(found) == ("10:00", "11:10")
    assert found["failed_attempt_count"] == 1


def test_ends_in_one_second_are_one_change() -> None:
    red = ended(2, "10:00", "10:10", "failure")
    assert intervals(GREEN, red, ended(3, "10:05", "10:10")) == []
    back = one(
        intervals(GREEN, red, ended(3, "10:05", "10:20", "failure"), ended(4, "10:10", "10:20"))
    )
    assert (clock(back), back["failed_attempt_count"]) == (("10:10", "10:20"), 1)


def test_runs_created_in_one_second_go_by_their_ids() -> None:
    assert intervals(ended(3, "10:00", "10:05"), ended(2, "10:00", "10:10", "failure")) == []


def test_an_attempt_without_an_end_has_not_ended() -> None:
    red = ended(2, "10:00", "10:10", "failure")
    still = job(99, "10:00", "10:00", "", run_id=2, status="in_progress", completed_at=None)
    assert intervals(GREEN, [*red, still]) == []


def test_the_default_branch_is_the_one_of_the_runs_creation() -> None:
    then = [state("2026-01-01T00:00:00Z", default_branch="master"), state("2026-03-02T12:00:00Z")]
    runs = [
        ended(1, "10:00", "10:10", head_branch="master"),
        ended(2, "11:59", "12:30", "failure", head_branch="master"),
        ended(3, "12:00", "12:10", "failure", head_branch="master"),
        ended(4, "13:00", "13:10", head_branch="main"),
    ]
    found = one(intervals(*runs, repository_history=then))
    assert (clock(found), found["failed_attempt_count"]) == (("12:30", "13:10"), 1)


def test_groups_and_workflows_are_apart() -> None:
    queue = {"event": "merge_group", "head_branch": "gh-readonly-queue/main/pr-7"}
    found = intervals(
        GREEN,
        ended(2, "10:00", "10:10", "failure", **queue),
        ended(3, "10:00", "10:10", "failure", workflow_id=202),
    )
    assert {(row["workflow_id"], row["health_group"]) for row in found} == {
        (201, "merge_queue"),
        (202, "default_branch"),
    }
