"""Small histories by hand: "10:00" or "10:00:30" is on 2 March 2026, "4 10:00" on the 4th."""

from typing import Any

from tests.transform.factories import (
    job_row,
    repository,
    repository_state,
    run_row,
    runner_label,
    runner_price,
)
from tests.transform.in_memory import collected
from tests.transform.raw_rows import Row
from tests.transform.reference import compute

LABELS = [
    runner_label(1, "^self-hosted$", "self_hosted"),
    runner_label(2, "^ubuntu-.*-4-cores$", "linux_4_core"),
    runner_label(3, "^ubuntu-latest$", "linux"),
]
PRICES = [
    runner_price("linux", "0.008"),
    runner_price("linux", "0.006", valid_from="2026-01-01"),
    runner_price("linux_4_core", "0.012", is_standard=False),
    runner_price("self_hosted", "0", is_standard=False),
]


def at(time: str) -> str:
    """The time in ISO 8601."""
    day, _, clock = time.rpartition(" ")
    return f"2026-03-{int(day or 2):02}T{clock}{':00' * (clock.count(':') == 1)}Z"


def run(run_id: int, created: str, ended: str = "success", attempt: int = 1, **changes: Any) -> Row:
    """An attempt of a run that started when it was created, completed with this conclusion."""
    row = run_row(run_id, attempt, at(created), conclusion=ended)
    return {**row, **_times(changes)}


def job(
    job_id: int,
    started: str,
    completed: str,
    ended: str = "success",
    run_id: int = 1,
    **changes: Any,
) -> Row:
    """A job called build of attempt 1 on GitHub's Linux runner, which started when created."""
    row = job_row(job_id, run_id, at(started), at(completed))
    return {**row, "conclusion": ended, **_times(changes)}


def waiting(**changes: Any) -> Row:
    """What makes a job one that no runner took."""
    return {"runner_id": None, "runner_name": None, **changes}


def step(number: int | None, ended: str | None = "success", **changes: Any) -> Row:
    """A completed step, called by its number."""
    common = {"name": f"step {number}", "status": "completed", "conclusion": ended}
    return {"number": number, **common, "started_at": None, "completed_at": None, **changes}


def state(
    observed_at: str, visibility: str = "private", default_branch: str | None = "main"
) -> Row:
    """What repository 101 was like from then on."""
    return repository_state(101, observed_at, visibility, default_branch)


def marts(*runs_and_jobs: Row, **tables: list[Row]) -> dict[str, list[Row]]:
    """The marts of these, in a private repository whose default branch is main."""
    jobs = [row for row in runs_and_jobs if "job_id" in row]
    runs = [row for row in runs_and_jobs if "job_id" not in row]
    common = {
        "repositories": [repository(101, "private")],
        "repository_history": [state("2026-01-01T00:00:00Z")],
        "runner_prices": PRICES,
        "runner_labels": LABELS,
    }
    return compute(collected({**common, "workflow_runs": runs, "workflow_jobs": jobs, **tables}))


def one(rows: list[Row], **of: Any) -> Row:
    """The one row with these values."""
    [row] = [row for row in rows if of.items() <= row.items()]
    return row


def column(rows: list[Row], name: str) -> list[Any]:
    """Its values, in the rows' order."""
    return [row[name] for row in rows]


def _times(changes: Row) -> Row:
    return {
        name: at(value)
        if isinstance(value, str) and name.endswith("_at") and "T" not in value
        else value
        for name, value in changes.items()
    }
