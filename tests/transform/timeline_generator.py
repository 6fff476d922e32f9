"""Histories with a time axis: what polls, in their order, and webhooks, in any, see of the same CI.

Every attempt and job passes through states. A poll at some time overwrites what polling knew
by the states of that time; the last poll of a case sees the end, in full. A webhook tells of one
state, in a shape that may lack what is only descriptive; it comes at any time, twice, or never.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.transform.factories import repository, workflow
from tests.transform.raw_rows import Row

START = datetime(2026, 3, 1, tzinfo=UTC)
ENDS = ["success"] * 3 + ["failure", "timed_out", "cancelled", "skipped", "startup_failure"]
LABELS = [["ubuntu-latest"], ["windows-2022"], ["self-hosted", "linux"], ["our-own-runner"]]
# Of was_gated and was_approved polls seldom see enough; the others say what was seen by which way.
ABOUT_SEEING = {
    "was_gated", "was_approved", "was_seen_by_webhook", "was_seen_by_poll", "was_corrected",
    "webhook_only_job_count", "poll_only_job_count", "both_job_count", "corrected_job_count",
    "collection_health_by_day",
}  # fmt: skip
# The winner's alone, and the keys: every shape has them.
_NEVER_LACKING = {
    "job_id", "run_id", "run_attempt", "repository_id", "workflow_id",
    "status", "conclusion", "updated_at", "completed_at", "steps",
}  # fmt: skip


@dataclass
class Life:
    """The states of one attempt or job, by the time from which each holds."""

    states: list[tuple[datetime, Row]] = field(default_factory=list)

    def at(self, time: datetime) -> Row | None:
        """The state at a time; None before the first."""
        reached = [row for since, row in self.states if since <= time]
        return reached[-1] if reached else None


class Case:
    """One repository's history, all of it drawn from the seed.

    Attributes:
        polls: what each of `step_count` polls sees, in their order: `{table: rows}`.
        webhooks: what comes of webhooks before the poll of the same place: `{table: rows}`.
    """

    def __init__(self, seed: int, number: int, step_count: int) -> None:
        self.seed = seed
        self.repository_id = number
        self._random = random.Random(seed)  # noqa: S311 reproducible, not secret
        self._next_id = number * 10_000
        self._attempts: list[Life] = []
        self._jobs: list[Life] = []
        self._workflow_id = self._new_id()
        # A workflow that polling never lists is known by its runs.
        self._is_workflow_listed = self._random.random() < 0.8
        for _ in range(self._random.randrange(1, 5)):
            self._add_run(START + timedelta(minutes=self._random.randrange(4 * 24 * 60)))
        self.polls = list(self._poll(step_count))
        self.webhooks = self._deliver(step_count)

    def _new_id(self) -> int:
        self._next_id += 1
        return self._next_id

    def _add_run(self, created_at: datetime) -> None:
        choose = self._random.choice
        run_id = self._new_id()
        common = {
            "run_id": run_id,
            "repository_id": self.repository_id,
            "workflow_id": self._workflow_id,
            "name": choose(["CI", None]),
            "path": ".github/workflows/ci.yml@main",
            "event": choose(["push", "push", "schedule", "merge_group", "pull_request"]),
            "head_branch": choose(["main", "main", "topic"]),
            "head_sha": choose(["aaa", "bbb"]),
            "head_repository_id": choose([self.repository_id] * 3 + [None]),
            "actor_login": "someone",
        }
        executed: list[Row] = []
        for attempt in range(1, choose([1, 1, 2, 3]) + 1):
            attempt_started = created_at + timedelta(seconds=self._random.randrange(-3, 30))
            row = {
                **common,
                "run_attempt": attempt,
                "created_at": created_at,
                "run_started_at": attempt_started,
            }
            ended_at = self._live(row, created_at)
            executed = self._add_jobs(run_id, attempt, created_at, executed)
            created_at = ended_at + timedelta(hours=self._random.randrange(1, 30))

    def _live(self, row: Row, time: datetime) -> datetime:
        """The states of an attempt; gives when it ended.

        Its status goes back and forth until it is final, and what is final may have been updated
        before something that is not.
        """
        choose = self._random.choice
        path: list[tuple[str, str | None]] = [("queued", None)]
        if choose([True, False, False]):
            # A fork's run waits for an approval, and may wait for ever.
            path.append(("completed", "action_required"))
            if choose([True, True, False]):
                path += [("queued", None), ("in_progress", None), ("completed", choose(ENDS))]
                path = path[: choose([3, 4, 5, 5])]
        else:
            path += choose([[], [("waiting", None)], [("pending", None), ("queued", None)]])
            path += [("in_progress", None)]
            path += choose([[], [], [("queued", None), ("in_progress", None)]])
            if choose([True] * 5 + [False]):
                # Something may touch it when all is over.
                path += [("completed", choose(ENDS))] * choose([1, 1, 2])
        if row["run_attempt"] == 1 and choose([True, False]):
            path.insert(0, ("requested", None))
        # GitHub may say otherwise when a run was created while it goes on.
        moves_at = choose([None, None, None, self._random.randrange(len(path))])
        life = Life()
        final: tuple[str, str | None] | None = None
        earlier = timedelta(seconds=choose([0, 0, 5, 5000]))
        for place, (status, conclusion) in enumerate(path):
            if place == moves_at:
                row = {**row, "created_at": row["created_at"] - timedelta(hours=20)}
            if final is None and status == "completed" and conclusion != "action_required":
                final = (status, conclusion)
            if final is not None:
                status, conclusion = final
            updated_at = time if final is None else time - earlier
            state = {"status": status, "conclusion": conclusion, "updated_at": updated_at}
            life.states.append((time, {**row, **state}))
            time += timedelta(seconds=self._random.randrange(1, 3000))
        self._attempts.append(life)
        return time

    def _add_jobs(
        self, run_id: int, attempt: int, created_at: datetime, executed: list[Row]
    ) -> list[Row]:
        """The jobs of an attempt; gives those that ended, of which a re-run may show copies."""
        ended = []
        for original in executed:
            if self._random.random() < 0.5:
                copy = {**original, "job_id": self._new_id(), "run_attempt": attempt}
                copy |= {"created_at": created_at, "runner_id": 0, "runner_name": None}
                self._jobs.append(Life([(created_at, copy)]))
        for _ in range(self._random.randrange(4)):
            last = self._add_job(run_id, attempt, created_at)
            if last["status"] == "completed":
                ended.append(last)
        return ended

    def _add_job(self, run_id: int, attempt: int, created_at: datetime) -> Row:
        choose = self._random.choice
        job: Row = {
            "job_id": self._new_id(),
            "run_id": run_id,
            "run_attempt": attempt,
            "repository_id": self.repository_id,
            "name": choose(["build", "test", None]),
            "created_at": created_at,
            "labels": choose(LABELS),
            "head_branch": "main",
            "completed_at": None,
            "runner_id": None,
            "runner_name": None,
            "steps": [],
        }
        life = Life()
        time = created_at
        # A job can end after its run has, one that never began can be cancelled, and some go on.
        path = choose(
            [["queued", "in_progress", "completed"]] * 5
            + [["queued", "in_progress", "in_progress", "completed"]]
            + [["queued", "completed"], ["queued", "in_progress"], ["queued"]]
        )
        if choose([True, False, False]):
            path = ["waiting", *path]
        started_at = None
        for status in path:
            # Until a job begins, its start is when it was created.
            job = {**job, "status": status, "conclusion": None, "started_at": created_at}
            if "in_progress" in path and status in ("in_progress", "completed"):
                started_at = started_at or time
                job |= {"started_at": started_at, "runner_id": 7, "runner_name": "runner 7"}
                job["steps"] = [*job["steps"], self._step(len(job["steps"]), time)]
            if status == "completed" and started_at:
                job |= {"conclusion": choose(ENDS[:-1]), "completed_at": time}
            elif status == "completed":
                job |= {"conclusion": choose(["cancelled", "skipped"]), "completed_at": time}
                job["started_at"] = choose([created_at, None])
            life.states.append((time, job))
            time += timedelta(seconds=choose([self._random.randrange(1, 4000)] * 9 + [90_000]))
        self._jobs.append(life)
        return job

    def _step(self, place: int, time: datetime) -> Row:
        """A completed step; each state of a job that runs has one more."""
        at = time.isoformat()
        ended = {"status": "completed", "conclusion": self._random.choice(ENDS[:-1])}
        number = self._random.choice([place, place, place - 1, None])
        return {"number": number, "name": "a step", **ended, "started_at": at, "completed_at": at}

    def _poll(self, step_count: int) -> Iterator[dict[str, list[Row]]]:
        """Polls at random times; before the last one each may miss some of what it looks at, and a
        later one may lack what an earlier one has shown."""
        shown: dict[int, Row] = {}
        end = max(since for life in self._attempts + self._jobs for since, _ in life.states)
        span = int((end - START).total_seconds())
        times = sorted(
            START + timedelta(seconds=self._random.randrange(span + 1))
            for _ in range(step_count - 1)
        )
        for time in [*times, end]:
            share = 1.0 if time == end else self._random.choice([0.0, 0.6, 1.0])
            seen: dict[str, list[Row]] = {}
            if share == 1.0:
                seen["repositories"] = [repository(self.repository_id, "private")]
                if self._is_workflow_listed:
                    seen["workflows"] = [workflow(self._workflow_id, self.repository_id)]
            for table, lives in (("workflow_runs", self._attempts), ("workflow_jobs", self._jobs)):
                states = [life.at(time) for life in lives if self._random.random() < share]
                seen[table] = [self._lack(row, shown) for row in states if row is not None]
            seen["workflow_runs"] = [
                {**row, "gone_at": self._random.choice([None, None, None, time])}
                for row in seen["workflow_runs"]
            ]
            yield seen

    def _lack(self, row: Row, shown: dict[int, Row]) -> Row:
        """The row without some of what describes it and was shown before."""
        key = row.get("job_id", row["run_id"] * 10 + (row["run_attempt"] or 0))
        before = shown.get(key, {})
        told = {
            name: None
            for name, value in row.items()
            # The start of what has begun is no start of what had not.
            if name not in _NEVER_LACKING | {"gone_at", "started_at"}
            and before.get(name) == value
            and self._random.random() < 0.2
        }
        shown[key] = {**before, **{name: row[name] for name in row.keys() - told.keys()}}
        return {**row, **told}

    def _deliver(self, step_count: int) -> list[dict[str, list[Row]]]:
        """Webhooks of all states: shuffled, doubled and dropped, dealt to the steps at random."""
        dropped = self._random.choice([0.0, 0.2, 0.7])
        batches: list[dict[str, list[Row]]] = [{"runs": [], "jobs": []} for _ in range(step_count)]
        for table, lives in (("runs", self._attempts), ("jobs", self._jobs)):
            for life in lives:
                for _, row in life.states:
                    if self._random.random() < dropped:
                        continue
                    for _ in range(self._random.choice([1, 1, 1, 2, 3])):
                        self._random.choice(batches)[table].append(self._shape(row))
        for batch in batches:
            for rows in batch.values():
                self._random.shuffle(rows)
        return batches

    def _shape(self, row: Row) -> Row:
        """An old or partial shape lacks what is descriptive: null, empty or absent."""
        lacking = self._random.choice([0.0, 0.0, 0.3, 0.9])
        shape: Row = {}
        for name, value in row.items():
            if name in _NEVER_LACKING or self._random.random() >= lacking:
                shape[name] = value
            else:
                shape[name] = self._nothing(value)
        if "job_id" in row and self._random.random() < lacking:
            shape["run_attempt"] = None
        return shape

    def _nothing(self, value: Any) -> Any:
        if isinstance(value, list):
            return self._random.choice([None, []])
        return self._random.choice([None, ""]) if isinstance(value, str) else None
