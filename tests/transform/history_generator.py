"""Random but plausible histories of CI, with the shapes that a naive reading gets wrong.

In any order and seen in any way: what is true of them, the definitions say (former_reference).
For histories with a time axis, where polls come in their order, see timeline_generator.py.
"""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.transform.factories import repository, workflow
from tests.transform.raw_rows import KEYS, Row

START = datetime(2026, 3, 1, 22, 0, tzinfo=UTC)
CONCLUSIONS = ["success"] * 4 + [
    "failure", "failure", "timed_out", "cancelled", "cancelled", "cancelled", "cancelled",
    "skipped", "startup_failure", "action_required", "neutral", "stale", "", None, "brand_new",
]  # fmt: skip
LABELS: list[Any] = [
    ["ubuntu-latest"], ["Ubuntu-24.04-arm"], ["self-hosted", "linux"], ["windows-2022"],
    ["macos-15-xlarge"], ["ubuntu-22.04-16-cores"], ["our-own-runner"], [], None,
]  # fmt: skip
REPOSITORIES = [101, 102, 103]
_ALWAYS_THERE = {"job_id", "run_id", "run_attempt", "repository_id", "workflow_id", "status"}
# The last workflow and the last repository are known from their runs alone. A ruleset requires the
# first workflow in the repositories of the others, too.
WORKFLOWS = {201: 101, 202: 101, 203: 101, 204: 102, 205: 102, 206: 103}


class History:
    """One random history: rows in the order in which collection might see them."""

    def __init__(self, seed: int, run_count: int = 120) -> None:
        self._random = random.Random(seed)  # noqa: S311 reproducible, not secret
        self._job_id = 9000
        self.observations: list[tuple[str, Row]] = []
        for repository_id in REPOSITORIES[:-1]:
            self._see("repositories", repository(repository_id, "private"))
        self._see("repositories", repository(REPOSITORIES[0], "public"))
        for workflow_id in list(WORKFLOWS)[:-1]:
            self._see("workflows", workflow(workflow_id, WORKFLOWS[workflow_id]))
        for number in range(run_count):
            self._add_run(5000 + number)
        self._random.shuffle(self.observations)

    def batches(self, count: int) -> list[dict[str, list[Row]]]:
        """The observations, dealt out to loads; of polls a key at most once in each."""
        loads: list[dict[str, dict[Any, Row]]] = [{} for _ in range(count)]
        for number, (table, row) in enumerate(self.observations):
            key: Any = number
            if table in KEYS:
                key = tuple(row[name] for name in KEYS[table])
            loads[self._random.randrange(count)].setdefault(table, {})[key] = row
        return [{table: list(rows.values()) for table, rows in each.items()} for each in loads]

    def _see(self, table: str, row: Row) -> None:
        self.observations.append((table, row))

    def _observe(self, kind: str, row: Row) -> None:
        """See a state of a run or job by polling, by webhooks in some shape, or by both."""
        seen_by = self._random.choice(["poll", "poll", "webhook", "both", "both"])
        if seen_by != "webhook":
            gone = {"gone_at": self._random.choice([None, None, START])} if kind == "runs" else {}
            self._see(f"workflow_{kind}", {**row, **gone})
        if seen_by != "poll":
            for _ in range(self._random.choice([1, 1, 1, 2])):
                self._see(f"webhook_{kind}", self._shape(row))

    def _shape(self, row: Row) -> Row:
        """What a webhook says of it: sometimes less, or another creation time."""
        kept = self._random.choice([1.0, 1.0, 0.8])
        shape: Row = {
            name: value
            if name in _ALWAYS_THERE or self._random.random() < kept
            else self._random.choice([None, "" if isinstance(value, str) else None])
            for name, value in row.items()
        }
        if "workflow_id" not in row:
            if self._random.random() < 0.2:
                shape["run_attempt"] = None
            if self._random.random() < 0.1:
                shape["labels"] = []
        elif shape["created_at"] and self._random.random() < 0.1:
            shape["created_at"] -= timedelta(days=1)
        return shape

    def _add_run(self, run_id: int) -> None:
        choose = self._random.choice
        workflow_id = choose(list(WORKFLOWS))
        repository_id = WORKFLOWS[workflow_id]
        if workflow_id == 201:
            repository_id = choose([repository_id, repository_id, 102, 103])
        created_at = START + timedelta(minutes=self._random.randrange(20 * 24 * 60))
        executed: list[Row] = []
        common = {
            "run_id": run_id,
            "repository_id": repository_id,
            "workflow_id": workflow_id,
            "name": choose(["CI", "", None]),
            "path": choose([".github/workflows/ci.yml@main", ".github/workflows/ci.yml", None]),
            "run_number": run_id - 4999,
            "event": choose(["push", "push", "push", "pull_request"]),
            "head_branch": choose(["main", "main", "main", "topic", None]),
            "head_sha": choose(["aaa", "bbb", "ccc", None]),
            "head_repository_id": choose([repository_id] * 4 + [999, None]),
        }
        attempts = choose([1, 1, 1, 2, 2, 3])
        known = [number for number in range(1, attempts + 1) if self._random.random() < 0.9]
        for attempt in range(1, attempts + 1):
            # An attempt may be created a day after the run, and started a little before that.
            started_at = created_at + timedelta(seconds=self._random.randrange(-5, 60))
            status = choose(["completed"] * 8 + ["in_progress", "queued"])
            row = {
                **common,
                "run_attempt": attempt,
                "status": status,
                "conclusion": choose(CONCLUSIONS) if status == "completed" else "",
                "created_at": created_at if self._random.random() < 0.97 else None,
                "updated_at": started_at + timedelta(seconds=self._random.randrange(4000)),
                "run_started_at": choose([started_at] * 4 + [None]),
            }
            if attempt in known:
                if self._random.random() < 0.5:
                    self._observe("runs", {**row, "status": "queued", "conclusion": ""})
                self._observe("runs", row)
                if self._random.random() < 0.2:
                    self._see("workflow_runs", self._described_otherwise(row))
            executed += self._add_jobs(run_id, attempt, common, started_at, executed)
            created_at += timedelta(hours=self._random.randrange(1, 30))

    def _described_otherwise(self, row: Row) -> Row:
        """What another poll tells of it: less, or another creation, branch, event or source."""
        changes: Row = {
            "created_at": row["created_at"] and row["created_at"] - timedelta(days=1),
            "head_branch": self._random.choice([None, "main", "topic"]),
            "head_repository_id": self._random.choice([None, 999]),
            "event": self._random.choice([None, "push", "pull_request"]),
        }
        return {**row, **dict(self._random.sample(list(changes.items()), 2)), "display_title": "x"}

    def _add_jobs(
        self, run_id: int, attempt: int, common: Row, started_at: datetime, executed: list[Row]
    ) -> list[Row]:
        choose = self._random.choice
        found = []
        for original in executed:
            if self._random.random() < 0.4:
                copy_created = started_at + timedelta(seconds=2)
                copy = {"run_attempt": attempt, "created_at": copy_created}
                runner: Row = choose([{"runner_id": 0, "runner_name": ""}, {}])
                self._add_job({**original, **copy, **runner})
        for _ in range(self._random.randrange(5)):
            created_at = started_at + timedelta(seconds=self._random.randrange(30))
            job_started = created_at + timedelta(seconds=self._random.randrange(-3, 200))
            status = choose(["completed"] * 9 + ["in_progress", "queued", "waiting"])
            completed = job_started + timedelta(seconds=choose([-90, 0, 1, 59, 60, 61, 400_000]))
            runner_id, runner_name = choose(
                [(7, "a"), (7, ""), (0, "GitHub Actions 3"), (8, None), (0, ""), (None, None)]
            )
            row = {
                "run_id": run_id,
                "run_attempt": attempt,
                "repository_id": common["repository_id"],
                "name": choose(["build", "test", "lint", "", None]),
                "status": status,
                "conclusion": choose(CONCLUSIONS) if status == "completed" else None,
                "created_at": choose([created_at] * 9 + [None]),
                "started_at": choose([job_started] * 9 + [None]),
                "completed_at": completed if status == "completed" else None,
                "labels": choose(LABELS),
                "runner_id": runner_id,
                "runner_name": runner_name,
                "runner_group_name": choose(["GitHub Actions", "Default", "", None]),
            }
            self._add_job(row)
            found.append(row)
        return found

    def _add_job(self, row: Row) -> None:
        self._job_id += 1
        row = {"job_id": self._job_id, **row}
        if self._random.random() < 0.3:
            status = self._random.choice(["queued", "in_progress", "waiting"])
            earlier = {"status": status, "conclusion": "", "completed_at": None}
            if status != "in_progress":
                earlier["started_at"] = row["created_at"]
            self._observe("jobs", {**row, **earlier})
        self._observe("jobs", row)
