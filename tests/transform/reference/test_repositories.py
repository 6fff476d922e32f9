"""Repositories, workflows, and how all of it was seen."""

from typing import Any

import pytest

from tests.transform.factories import repository, workflow
from tests.transform.reference.cases import at, column, job, marts, one, run, waiting

pytestmark = pytest.mark.unit


def test_repositories_are_known_by_themselves_by_workflows_and_by_runs() -> None:
    listed: dict[str, Any] = {**repository(101, ""), "private": True, "archived": True}
    found = marts(
        run(1, "10:00", repository_id=103),
        repositories=[listed, {**repository(104, ""), "private": None}],
        workflows=[workflow(202, 102)],
    )["repositories"]
    visibility = {row["repository_id"]: row["visibility"] for row in found}
    assert visibility == {101: "private", 102: None, 103: None, 104: None}
    own = one(found, repository_id=101)
    assert (own["full_name"], own["is_archived"]) == ("owner/repository-101", True)
    assert one(found, repository_id=103)["full_name"] is None


def test_workflows_are_known_by_themselves_and_by_runs() -> None:
    found = marts(
        run(1, "10:00", path=".github/workflows/old.yml@main"),
        run(2, "10:00", path=".github/workflows/ci.yml@refs/heads/a@b"),
        run(2, "10:00", attempt=2, path=None),
        run(3, "10:00", workflow_id=205, path=""),
        workflows=[workflow(202, 101), workflow(203, 101)],
    )["workflows"]
    assert {row["workflow_id"]: (row["name"], row["is_stub"]) for row in found} == {
        201: (".github/workflows/ci.yml@refs/heads/a", True),
        202: ("Workflow 202", False),
        203: (".github/workflows/203.yml", False),
        205: ("workflow 205", True),
    }


def test_how_attempts_and_jobs_were_seen() -> None:
    poll = {"poll_id": "a", "repository_id": 101, "request_count": 2, "error": None}
    found = marts(
        run(1, "10:00"),
        run(2, "10:00"),
        job(1, "10:00", "10:10"),
        {**job(2, "10:00", "10:10"), "run_attempt": 2},
        webhook_runs=[run(2, "10:00", "failure", updated_at="09:00"), run(3, "10:00")],
        webhook_jobs=[job(1, "10:00", "10:10"), job(3, "10:00", "10:10", **waiting())],
        polls=[
            {**poll, "started_at": at("10:00")},
            {**poll, "started_at": at("11:00"), "error": "502"},
            {**poll, "started_at": at("3 10:00")},
            {**poll, "started_at": at("3 10:00"), "repository_id": 109},
        ],
    )
    first, second = sorted(found["collection_health_by_day"], key=lambda row: row["day"])
    expected = {
        "repository_id": 101, "attempt_count": 3, "webhook_only_attempt_count": 1,
        "poll_only_attempt_count": 1, "both_attempt_count": 1, "corrected_attempt_count": 1,
        # The job of an attempt that has no row is in none of them.
        "webhook_only_job_count": 1, "poll_only_job_count": 0, "both_job_count": 1,
        "corrected_job_count": 0, "poll_count": 1, "failed_poll_count": 1, "request_count": 4,
    }  # fmt: skip
    assert expected.items() <= first.items()
    assert (second["attempt_count"], second["poll_count"], second["request_count"]) == (0, 1, 2)
    assert column(found["jobs"], "job_id") == [1, 3, 2]
