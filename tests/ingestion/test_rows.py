"""Payloads as GitHub really sends them become rows; nothing here needs a service."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ingestion.github.pipeline import to_arrow
from ingestion.github.rows import (
    UnreadablePayloadError,
    repository_row,
    workflow_job_row,
    workflow_row,
    workflow_run_row,
)
from ingestion.github.schema import (
    CONTENT_HASH,
    REPOSITORIES,
    WORKFLOW_JOBS,
    WORKFLOW_RUNS,
    WORKFLOWS,
    Row,
    Table,
    job_order,
    run_order,
)

pytestmark = pytest.mark.unit

ROOT = Path(__file__).resolve().parents[2]
EXCHANGES = ROOT / "tests" / "data" / "recorded-exchanges" / "exchanges.jsonl"
TENSTORRENT = ROOT / "github_standin" / "recordings" / "tenstorrent"

RUN: dict[str, Any] = {"id": 30_433_642, "workflow_id": 159_038}
JOB: dict[str, Any] = {"id": 399_444_496, "run_id": 29_679_449}


def recorded(field: str) -> Iterator[dict[str, Any]]:
    """All recorded objects of a kind."""
    for line in EXCHANGES.read_text(encoding="utf-8").splitlines():
        yield from json.loads(line)["body"].get(field, [])


def recorded_jobs() -> Iterator[dict[str, Any]]:
    yield from recorded("jobs")
    for path in sorted(TENSTORRENT.glob("*/workflow_jobs.json")):
        yield from json.loads(path.read_text(encoding="utf-8"))["jobs"]


def arrow_rows(table: Table, rows: list[Row]) -> list[dict[str, Any]]:
    """Rows after their way through arrow: proof that each fits its column."""
    result: list[dict[str, Any]] = to_arrow(table, rows).to_pylist()
    return result


def test_every_recorded_run_fits_the_table() -> None:
    payloads = list(recorded("workflow_runs"))
    rows = arrow_rows(WORKFLOW_RUNS, [workflow_run_row(payload, 1) for payload in payloads])
    assert len(rows) == len(payloads) > 5
    for row, payload in zip(rows, payloads, strict=True):
        assert row["run_id"] == payload["id"]
        assert row["repository_id"] == payload["repository"]["id"]
        assert row["status"] == payload["status"]
        assert row["created_at"].isoformat() == payload["created_at"].replace("Z", "+00:00")


def test_every_recorded_job_fits_the_table() -> None:
    payloads = list(recorded_jobs())
    rows = arrow_rows(WORKFLOW_JOBS, [workflow_job_row(payload, 1) for payload in payloads])
    assert len(rows) == len(payloads) > 20
    for row, payload in zip(rows, payloads, strict=True):
        assert row["job_id"] == payload["id"]
        assert json.loads(row["labels"]) == payload["labels"]
        steps = json.loads(row["steps"])
        assert [step["number"] for step in steps] == [step["number"] for step in payload["steps"]]
        assert row["runner_name"] == (payload["runner_name"] or None)


def test_every_recorded_workflow_and_repository_fits_its_table() -> None:
    workflows = [workflow_row(payload, 7) for payload in recorded("workflows")]
    assert {row["repository_id"] for row in arrow_rows(WORKFLOWS, workflows)} == {7}
    repositories = [repository_row(run["repository"]) for run in recorded("workflow_runs")]
    for row in arrow_rows(REPOSITORIES, repositories):
        assert row["visibility"] == ("private" if row["private"] else "public")


def test_what_a_partial_payload_lacks_is_null() -> None:
    row = workflow_run_row(RUN, 5)
    present = {name for name, value in row.items() if value is not None}
    assert present == {
        "run_id",
        "run_attempt",
        "repository_id",
        "workflow_id",
        "pull_request_numbers",
        "referenced_workflow_paths",
        CONTENT_HASH,
    }
    assert (row["run_attempt"], row["repository_id"]) == (1, 5)
    job = workflow_job_row(JOB, 5, run_attempt=3)
    assert (job["run_attempt"], job["labels"], job["steps"]) == (3, "[]", "[]")


def test_a_pull_request_without_a_number_is_left_out() -> None:
    pull_requests = [{"number": 8}, {"number": None}, None, {}, {"number": 7}]
    row = workflow_run_row({**RUN, "pull_requests": pull_requests}, 5)
    assert row["pull_request_numbers"] == "[8,7]"


def test_the_attempt_that_a_job_names_wins_over_the_one_that_was_asked_for() -> None:
    assert workflow_job_row({**JOB, "run_attempt": 2}, 5, run_attempt=3)["run_attempt"] == 2


def test_a_job_of_which_nobody_knows_the_attempt_belongs_to_the_first_or_to_none() -> None:
    assert workflow_job_row(JOB, 5)["run_attempt"] == 1
    assert workflow_job_row(JOB, 5, run_attempt=None)["run_attempt"] is None


def test_empty_text_is_null() -> None:
    row = workflow_run_row({**RUN, "conclusion": "", "name": "", "created_at": ""}, 1)
    assert (row["conclusion"], row["name"], row["created_at"]) == (None, None, None)


def test_nul_and_lone_surrogates_are_removed_everywhere() -> None:
    row = workflow_job_row(
        {
            **JOB,
            "name": "a\0b\ud800",
            "labels": ["x\0y"],
            "steps": [{"number": 1, "name": "s\0\u00fc"}],
        },
        1,
    )
    assert row["name"] == "ab"
    assert json.loads(row["labels"]) == ["xy"]
    assert json.loads(row["steps"])[0]["name"] == "s\u00fc"
    assert "\\u0000" not in row["labels"] + row["steps"]


def test_local_offsets_with_milliseconds_become_utc() -> None:
    row = workflow_job_row(
        {**JOB, "steps": [{"number": 1, "started_at": "2024-11-29T05:47:52.125-05:00"}]}, 1
    )
    (step,) = json.loads(row["steps"])
    assert datetime.fromisoformat(step["started_at"]) == datetime(
        2024, 11, 29, 10, 47, 52, 125_000, tzinfo=UTC
    )
    assert step["started_at"].endswith("Z")


def test_equal_payloads_have_equal_hashes_and_any_change_shows() -> None:
    row = workflow_run_row({**RUN, "status": "queued"}, 1)
    assert row[CONTENT_HASH] == workflow_run_row({"status": "queued", **RUN}, 1)[CONTENT_HASH]
    changed = workflow_run_row({**RUN, "status": "completed"}, 1)
    assert row[CONTENT_HASH] != changed[CONTENT_HASH]
    # A value that moves to the next column is a change too.
    moved = workflow_run_row({**RUN, "conclusion": "queued"}, 1)
    assert row[CONTENT_HASH] != moved[CONTENT_HASH]


@pytest.mark.parametrize(
    ("payload", "complaint"),
    [
        ({"workflow_id": 1}, "id is missing"),
        ({**RUN, "workflow_id": None}, "workflow_id is missing"),
        ({**RUN, "id": "7"}, "id is not a whole number"),
        ({**RUN, "run_number": 2**63}, "run_number is too great"),
        ({**RUN, "created_at": "yesterday"}, "created_at is not a time"),
        ({**RUN, "created_at": "0001-01-01T00:00:00+14:00"}, "created_at is not a time"),
        ({**RUN, "name": 5}, "name is not text"),
    ],
)
def test_a_value_of_the_wrong_kind_is_named(payload: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UnreadablePayloadError, match=complaint):
        workflow_run_row(payload, 1)


def test_the_newer_of_two_states_does_not_depend_on_when_it_was_seen() -> None:
    def run(**fields: Any) -> tuple[Any, ...]:
        return run_order(workflow_run_row({**RUN, **fields}, 1))

    running = run(status="in_progress", updated_at="2026-01-01T00:00:09Z")
    waiting = run(
        status="completed", conclusion="action_required", updated_at="2026-01-01T00:00:01Z"
    )
    done = run(status="completed", conclusion="success", updated_at="2026-01-01T00:00:05Z")
    assert waiting < running < done

    def job(**fields: Any) -> tuple[Any, ...]:
        return job_order(workflow_job_row({**JOB, **fields}, 1))

    assert job(status="queued") < job(status="in_progress") < job(status="completed")
