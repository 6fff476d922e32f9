"""What a later poll lacks of a run or a job stays as an earlier one told it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from actionsight.database import connect
from actionsight.settings import Settings
from actionsight.shards import ALL
from ingestion.github.loader import Batch, Loader
from ingestion.github.rows import workflow_job_row, workflow_run_row
from ingestion.github.schema import WORKFLOW_JOBS, WORKFLOW_RUNS, Row
from tests.transform.reference.newest_state import newest_attempts, newest_jobs

T0 = datetime(2026, 3, 1, tzinfo=UTC)
RUN: dict[str, Any] = {
    "id": 1,
    "run_attempt": 1,
    "workflow_id": 2,
    "status": "in_progress",
    "created_at": "2026-03-01T10:00:00Z",
    "updated_at": "2026-03-01T10:00:00Z",
    "head_branch": "topic",
    "head_repository": {"id": 9, "full_name": "fork/hello"},
    "pull_requests": [{"number": 7}],
}
# What has no part in it; the reference takes steps as PostgreSQL gives them, not as text.
UNTOLD = {"content_hash": None, "steps": None}
ENDED = {"status": "completed", "conclusion": "success", "updated_at": "2026-03-01T10:09:00Z"}


@pytest.mark.integration
def test_a_fork_that_is_deleted_stays_known_in_the_runs_that_came_from_it(
    settings: Settings,
) -> None:
    url = str(settings.database_url)
    without_fork = {**RUN, **ENDED, "head_repository": None, "pull_requests": []}
    with connect(url, autocommit=True) as connection:
        loader = Loader(connection, url, settings.data_dir / "dlt", ALL, "test")

        def load(payload: dict[str, Any]) -> str | None:
            batch = Batch()
            batch.add(WORKFLOW_RUNS, workflow_run_row(payload, 5))
            return loader.load("github_runs", batch)

        assert load(RUN) is not None
        assert load(without_fork) is not None
        assert load(without_fork) is None, "what was kept is no change"
        [row] = connection.execute(
            """
            select status, conclusion, head_repository_id, head_repository_full_name,
                pull_request_numbers
            from raw.workflow_runs
            """
        ).fetchall()

    assert row == ("completed", "success", 9, "fork/hello", [7])


def observations(kind: str) -> st.SearchStrategy[list[Row]]:
    """States of one run or job in their order, each told with or without what describes it."""
    times = st.sampled_from([None, *(T0 + timedelta(minutes=minute) for minute in range(3))])
    text = st.sampled_from([None, "a", "b"])

    def ordered(rows: list[Row]) -> list[Row]:
        table = WORKFLOW_RUNS if kind == "runs" else WORKFLOW_JOBS
        assert table.order is not None
        return sorted(rows, key=table.order)

    common = {
        "status": st.sampled_from(["queued", "in_progress", "completed"]),
        "conclusion": text,
        "created_at": times,
        "name": text,
        "head_branch": text,
    }
    of_runs = {"updated_at": times, "head_repository_id": st.sampled_from([None, 1, 2])}
    of_jobs = {"started_at": times, "completed_at": times, "runner_name": text}
    of_kind: dict[str, Any] = of_runs if kind == "runs" else of_jobs
    return st.lists(st.fixed_dictionaries({**common, **of_kind}), min_size=1, max_size=5).map(
        lambda rows: ordered([_row(kind, row) for row in rows])
    )


def _row(kind: str, changes: Row) -> Row:
    if kind == "runs":
        return {**workflow_run_row(RUN, 5), **changes}
    return {**workflow_job_row({"id": 3, "run_id": 1, "labels": []}, 5), **changes}


@examples(deadline=None, max_examples=50)
@given(observations("runs"))
def test_polls_in_their_order_leave_the_newest_state_of_a_run(seen: list[Row]) -> None:
    assert _left(WORKFLOW_RUNS, seen) == _known(newest_attempts(_numbered(seen)), seen)


@examples(deadline=None, max_examples=50)
@given(observations("jobs"))
def test_polls_in_their_order_leave_the_newest_state_of_a_job(seen: list[Row]) -> None:
    assert _left(WORKFLOW_JOBS, seen) == _known(newest_jobs(_numbered(seen)), seen)


def _left(table: Any, seen: list[Row]) -> Row:
    batch = Batch()
    for row in seen:
        batch.add(table, row)
    [row] = batch.of(table)
    return {**row, **UNTOLD}


def _numbered(seen: list[Row]) -> list[Row]:
    """With hashes by which the reference prefers the later of equals."""
    return [
        {**row, **UNTOLD, "content_hash": f"{place:03}", "delivery_id": None}
        for place, row in enumerate(seen)
    ]


def _known(found: list[Row], seen: list[Row]) -> Row:
    [row] = found
    return {**{name: row[name] for name in seen[0]}, **UNTOLD}
