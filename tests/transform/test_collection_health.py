"""How webhooks and polls agree, and what polls cost, also of those that ask for no build."""

import uuid
from typing import Any

import psycopg
import pytest

from tests.support.dbt_project import Project
from tests.transform import marts
from tests.transform.factories import job_row, repository, run_row
from tests.transform.raw_rows import deliver, load
from tests.transform.test_recording import owed

pytestmark = pytest.mark.integration

OPEN = {"status": "in_progress", "conclusion": None}
COUNTS = (
    "select day::text, webhook_only_attempt_count, poll_only_attempt_count, both_attempt_count, "
    "corrected_attempt_count, corrected_job_count, poll_count, failed_poll_count, request_count "
    "from marts.collection_health_by_day order by repository_id, day"
)


def poll(
    database: psycopg.Connection[Any], started_at: str, *, repository_id: int = 101, **changes: Any
) -> uuid.UUID:
    """The row of a head loop that asked once and found nothing, unless `changes` say otherwise."""
    row: dict[str, Any] = {"poll_id": uuid.uuid4(), "requests": 1, "error": None, **changes}
    database.execute(
        """
        insert into raw.polls (
            poll_id, repository_id, loop, started_at, seen, changed, request_count, load_ids, error
        ) values (
            %(poll_id)s, %(repository_id)s, 'head', %(started_at)s, 0, 0, %(requests)s, '{}',
            %(error)s
        )
        on conflict (poll_id, repository_id, loop) do update set
            request_count = excluded.request_count, error = excluded.error
        """,
        {**row, "started_at": started_at, "repository_id": repository_id},
    )
    found: uuid.UUID = row["poll_id"]
    return found


@pytest.mark.thorough
def test_a_correction_lasts_until_the_webhook_comes_after_all(
    project: Project, database: psycopg.Connection[Any]
) -> None:
    run = run_row(1, 1, "2026-03-01T10:00:00Z")
    job = job_row(11, 1, "2026-03-01T10:00:00Z", "2026-03-01T10:10:00Z")
    deliver(database, "batch 1", runs=[{**run, **OPEN}], jobs=[{**job, **OPEN}])
    project.run()
    open_by_webhook = database.execute(COUNTS).fetchall()
    load(database, "load 1", {"workflow_runs": [run], "workflow_jobs": [job]})
    project.run()
    closed_by_poll = database.execute(COUNTS).fetchall()
    deliver(database, "batch 2", runs=[run], jobs=[job])
    project.run()

    assert open_by_webhook == [("2026-03-01", 1, 0, 0, 0, 0, 0, 0, 0)]
    assert closed_by_poll == [("2026-03-01", 0, 0, 1, 1, 1, 0, 0, 0)]
    assert database.execute(COUNTS).fetchall() == [("2026-03-01", 0, 0, 1, 0, 0, 0, 0, 0)]


def test_polls_ask_for_no_build_and_are_counted_by_the_next(
    project: Project, database: psycopg.Connection[Any]
) -> None:
    # Before anything is known of the repository, and on a day of which nothing else is known.
    poll(database, "2026-02-28T23:59:59Z", error="502")
    elsewhere = {"repository_id": 102, "workflow_id": 202}
    deliver(database, "batch 1", runs=[run_row(9, 1, "2026-03-01T10:00:00Z", **elsewhere)])
    project.run()
    of_another = database.execute(COUNTS).fetchall()
    load(database, "load 1", {"repositories": [repository(101, "public")]})
    project.run()
    of_both = database.execute(COUNTS).fetchall()

    first = poll(database, "2026-03-02T10:00:00Z", requests=2)
    poll(database, "2026-03-02T10:05:00Z")
    assert owed(database) == []
    load(database, "load 2", {"workflow_runs": [run_row(1, 1, "2026-03-01T10:00:00Z")]})
    project.run()
    later = database.execute(COUNTS).fetchall()
    poll(database, "2026-03-02T10:00:00Z", poll_id=first, requests=7, error="the disk is full")
    load(database, "load 3", {"workflow_runs": [run_row(2, 1, "2026-03-01T11:00:00Z")]})
    project.run()
    incremental = marts.read(database)

    other = ("2026-03-01", 1, 0, 0, 0, 0, 0, 0, 0)
    failed = ("2026-02-28", 0, 0, 0, 0, 0, 1, 1, 1)
    assert of_another == [other]
    assert of_both == [failed, other]
    assert later == [
        failed,
        ("2026-03-01", 0, 1, 0, 0, 0, 0, 0, 0),
        ("2026-03-02", 0, 0, 0, 0, 0, 2, 0, 3),
        other,
    ]
    assert database.execute("select count(*) from raw.unbuilt_polls").fetchone() == (0,)
    assert marts.differences(database) == []
    project.run("--full-refresh")
    assert marts.read(database) == incremental
