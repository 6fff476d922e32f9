"""Generated histories of CI, with the shapes that a naive reading gets wrong.

Everything is seen in any order and in any way: what is true of it is what the definitions say
(`reference`). For histories with a time axis, where polls come in their order, see
timeline_generator.py.

`History.of(seed)` is reproducible; `histories()` is a strategy of hypothesis, whose failures shrink
to a few runs of which few things were seen.
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from tests.transform.factories import (
    repository,
    repository_state,
    runner_label,
    runner_price,
    workflow,
)
from tests.transform.raw_rows import KEYS, LISTS, Row

Observation = tuple[str, Row]

START = datetime(2026, 3, 1, 22, 0, tzinfo=UTC)
ZERO_TIMES = [datetime(1, 1, 1, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC)]
# The last workflow and the last repository are known from their runs alone. A ruleset requires the
# first workflow in the repositories of the others, too.
WORKFLOWS = {201: 101, 202: 101, 203: 101, 204: 102, 205: 102, 206: 103}
ELSEWHERE = {201: [101, 101, 102, 103]}

ENDS = ["success"] * 5 + ["failure"] * 3 + ["timed_out", "cancelled"]
ODD_ENDS = [
    "skipped", "skipped", "startup_failure", "action_required", "neutral", "stale", "", None,
    "brand_new",
]  # fmt: skip
EVENTS = [
    "push", "push", "push", "schedule", "workflow_dispatch", "merge_group", "pull_request", None,
]  # fmt: skip
NAMES: list[Any] = ["build", "test", "lint", "a / b (1)", "matrix.name", "", None]
LABELS: list[Any] = [
    ["ubuntu-latest"], ["ubuntu-latest"], ["ubuntu-latest"], ["Ubuntu-24.04-arm"],
    ["self-hosted", "Linux", "linux"], ["windows-2022"], ["macos-15-xlarge"],
    ["ubuntu-22.04-16-cores"], ["our-own-runner"], [], None,
]  # fmt: skip
RUNNERS = [
    (7, "a"), (7, ""), (7, "GitHub Actions 7"), (0, "Hosted Agent"), (8, None), (0, ""),
    (None, None),
]  # fmt: skip
GROUPS = ["GitHub Actions", "GitHub Actions", "Default", "", None]
WAITS = [-3, 0, 0, 5, 60, 61, 200, 9_000]
LENGTHS = [-90, 0, 0, 1, 59, 60, 61, 600, 600, 5_400, 30_000, 400_000]
ALWAYS_THERE = {"job_id", "run_id", "run_attempt", "repository_id", "workflow_id", "status"}


@dataclass
class History:
    """What was seen: rows of the raw tables, in the order in which collection might see them."""

    observations: list[Observation]
    choices: random.Random

    @classmethod
    def of(cls, seed: int, run_count: int = 120) -> "History":
        """The history of this seed, over a month."""
        choices = random.Random(seed)  # noqa: S311 reproducible, not secret
        runs = [_run(choices, days=20) for _ in range(run_count)]
        return cls.together(_surroundings(), runs, choices)

    @classmethod
    def together(
        cls,
        surroundings: list[Observation],
        runs: Iterable[list[Observation]],
        choices: random.Random,
    ) -> "History":
        """All of it in some order, each run with ids of its own."""
        observations = list(surroundings)
        for place, seen in enumerate(runs):
            observations += [(table, _numbered(row, place)) for table, row in seen]
        choices.shuffle(observations)
        return cls(observations, choices)

    def batches(self, count: int) -> list[dict[str, list[Row]]]:
        """The observations, dealt out to loads; of polls a key at most once in each."""
        loads: list[dict[str, dict[Any, Row]]] = [{} for _ in range(count)]
        keys = {**KEYS, **LISTS}
        for number, (table, row) in enumerate(self.observations):
            key: Any = tuple(row[name] for name in keys[table]) if table in keys else number
            self.choices.choice(loads).setdefault(table, {})[key] = row
        return [{table: list(rows.values()) for table, rows in each.items()} for each in loads]


@st.composite
def histories(draw: st.DrawFn, max_runs: int = 30) -> History:
    """Small histories of a few days, in which much happens at once."""
    runs = draw(st.lists(_runs(), min_size=1, max_size=max_runs))
    around = draw(_most_of(_surroundings()))
    order = draw(st.integers(0, 999))
    return History.together(around, runs, random.Random(order))  # noqa: S311 drawn, not secret


@st.composite
def _runs(draw: st.DrawFn) -> list[Observation]:
    seed = draw(st.integers(0, 2**16 - 1))
    return draw(_most_of(_run(random.Random(seed), days=3)))  # noqa: S311 drawn, not secret


@st.composite
def _most_of(draw: st.DrawFn, seen: list[Observation]) -> list[Observation]:
    """Nearly all of it; nothing is the simplest."""
    return [observation for observation in seen if draw(st.integers(0, 15)) > 0]


def _numbered(row: Row, place: int) -> Row:
    ids = {"run_id": row["run_id"] + place, "job_id": row.get("job_id", 0) + 1_000 * place}
    return {**row, **{name: value for name, value in ids.items() if name in row}}


def _surroundings() -> list[Observation]:
    """Repositories, workflows and prices, and what became of them."""
    day = [START + timedelta(days=number) for number in range(3)]
    states = [
        (101, day[0], "private", "master"), (101, day[1], "public", "master"),
        (101, day[2], "private", "main"), (102, day[0], "public", "main"),
        (102, day[2], "public", None),
    ]  # fmt: skip
    linux, later, macos = day[1].date().isoformat(), day[2].date().isoformat(), "2026-03-02"
    # A list is loaded as a whole: what it had before and has not any more is there, removed.
    prices = [
        runner_price("linux", "0.016", valid_from=linux),
        runner_price("linux", "0.032", valid_from=linux),
        runner_price("linux", "0.032", valid_from=linux, is_removed=True),
        runner_price("linux", "0.064", valid_from=later),
        runner_price("linux", "0.064", valid_from=later, is_removed=True),
        runner_price("macos_xlarge", "0.5", valid_from=macos, is_standard=False),
        runner_price("macos_xlarge", "0.5", valid_from=macos),
        runner_price("windows", "0.03", valid_from=macos),
        runner_price("windows", "0.03", valid_from=macos, is_removed=True),
    ]
    labels = [
        runner_label(1, "^our-own-.*$", "linux_16_core"),
        runner_label(1, "^our-own-.*$", "windows"),
        runner_label(2, "^our-own-.*$", "windows", is_removed=True),
        runner_label(3, "^ubuntu-24.*$", "linux"),
        runner_label(3, "^ubuntu-24.*$", "linux", is_removed=True),
    ]
    seen: list[Observation] = [
        *(("repositories", repository(each, visibility)) for each, _, visibility, _ in states),
        *(("workflows", workflow(each, WORKFLOWS[each])) for each in list(WORKFLOWS)[:-1]),
        *(("runner_prices", row) for row in prices),
        *(("runner_labels", row) for row in labels),
    ]
    seen += [("repository_history", repository_state(*state)) for state in states]
    return seen


def _run(choices: random.Random, days: int) -> list[Observation]:
    """Everything that was seen of one run."""
    return _Run(choices, days).observations


class _Run:
    """A run with its attempts and jobs; whatever is drawn comes from `choices`."""

    def __init__(self, choices: random.Random, days: int) -> None:
        self._random = choices
        self._choose = choices.choice
        self._job_id = 9_000
        self.observations: list[Observation] = []
        # Many runs come in the same hours, and cancel each other.
        self._is_busy = self._is_likely(0.4)
        minutes = 60 if self._is_busy else days * 24 * 60
        self._created_at = START + timedelta(minutes=choices.randrange(minutes))
        self._common = self._described()
        names = choices.sample(NAMES, choices.randrange(1, 4))
        # A matrix whose name does not tell its jobs apart.
        self._names = [*names, names[0]] if self._is_likely(0.15) else names
        jobs: list[Row] = []
        attempts = [1, 1, 1, 1, 2] if self._is_busy else [1, 1, 2, 2, 3, 4]
        for attempt in range(1, self._choose(attempts) + 1):
            jobs = self._add_attempt(attempt, jobs)

    def _is_likely(self, share: float) -> bool:
        return self._random.random() < share

    def _seconds(self, least: int, most: int) -> timedelta:
        return timedelta(seconds=self._random.randrange(least, most))

    def _described(self) -> Row:
        """What all attempts of the run have in common."""
        workflow_id = self._choose(list(WORKFLOWS))
        repository_id = self._choose(ELSEWHERE.get(workflow_id, [WORKFLOWS[workflow_id]]))
        event = self._choose(EVENTS)
        if self._is_busy:
            workflow_id, repository_id, event = 202, 101, "push"
        branches = ["main"] * 5 if self._is_busy else ["main", "main", "topic"]
        branch = self._choose([*branches, "master", "", None])
        return {
            "run_id": 5_000,
            "repository_id": repository_id,
            "workflow_id": workflow_id,
            "name": self._choose(["CI", "", None]),
            "path": self._choose(
                [".github/workflows/ci.yml@main", ".github/workflows/a.yml", None]
            ),
            "run_number": self._random.randrange(99),
            "event": event,
            "head_branch": "gh-readonly-queue/main/pr-1" if event == "merge_group" else branch,
            "head_sha": self._choose(["aaa", "bbb", "ccc", None]),
            "head_repository_id": self._choose([repository_id] * 5 + [999, None]),
            "pull_request_numbers": self._choose([[], [], [7], [8, 7], None]),
            "actor_login": self._choose(["someone", "a-bot[bot]", None]),
        }

    def _add_attempt(self, number: int, earlier: list[Row]) -> list[Row]:
        """An attempt and its jobs, which it gives; of some attempts nothing is known but jobs."""
        if number > 1:
            self._created_at += self._choose([timedelta(0), self._seconds(60, 100_000)])
        # It starts with its creation, seconds before it, or days after.
        wait = self._choose([self._seconds(-5, 60)] * 9 + [timedelta(days=2)])
        started_at = self._created_at + wait
        jobs = self._jobs(number, started_at, earlier)
        status = self._choose(["completed"] * 9 + ["in_progress", "queued"])
        row = {
            **self._common,
            "run_attempt": number,
            "status": status,
            "conclusion": self._conclusion(jobs) if status == "completed" else "",
            "created_at": None if self._is_likely(0.03) else self._created_at,
            "updated_at": started_at + self._seconds(0, 4_000),
            "run_started_at": self._choose([started_at] * 9 + [None]),
        }
        if self._is_likely(0.9):
            if self._is_likely(0.5):
                self._observe("runs", {**row, "status": "queued", "conclusion": ""})
            if self._is_likely(0.1):
                waiting = {"updated_at": started_at, "conclusion": "action_required"}
                self._observe("runs", {**row, "status": "completed", **waiting})
            self._observe("runs", row)
            if self._is_likely(0.2):
                self._see("workflow_runs", self._told_otherwise(row))
        for job in jobs:
            self._add_job(job)
        return jobs

    def _conclusion(self, jobs: list[Row]) -> str | None:
        """As a rule what the jobs make of it."""
        if self._is_likely(0.3):
            return self._choose([*ENDS, *ODD_ENDS, *["cancelled"] * 9 * self._is_busy])
        ends = [job["conclusion"] for job in jobs]
        worst = [each for each in ("cancelled", "timed_out", "failure") if each in ends]
        return worst[0] if worst else "success"

    def _jobs(self, attempt: int, started_at: datetime, earlier: list[Row]) -> list[Row]:
        """All jobs anew, or those that failed, and copies of the others."""
        if not earlier or self._is_likely(0.3):
            return [
                self._job(attempt, name, started_at, ENDS * 3 + ODD_ENDS) for name in self._names
            ]
        failed = ("failure", "timed_out", "cancelled")
        return [
            self._job(attempt, job["name"], started_at, [*ENDS, *ENDS[:5]])
            if job["conclusion"] in failed
            else self._copy(attempt, job, started_at)
            for job in earlier
        ]

    def _copy(self, attempt: int, job: Row, started_at: datetime) -> Row:
        runner: Row = self._choose([{"runner_id": 0, "runner_name": ""}, {}])
        created_at = started_at + timedelta(seconds=2)
        return {**job, **runner, "run_attempt": attempt, "created_at": created_at}

    def _job(
        self, attempt: int, name: str | None, attempt_started: datetime, ends: list[Any]
    ) -> Row:
        created_at = attempt_started + self._seconds(0, 30)
        started_at = created_at + timedelta(seconds=self._choose(WAITS))
        completed_at = started_at + timedelta(seconds=self._choose(LENGTHS))
        if self._is_likely(0.02):
            completed_at = started_at + timedelta(days=35, seconds=self._choose([0, 1, 90_000]))
        status = self._choose(["completed"] * 30 + ["in_progress", "queued", "waiting"])
        runner_id, runner_name = self._choose([(5, "GitHub Actions 5")] * 20 + RUNNERS)
        conclusion = self._choose(ends)
        times: Row = {
            "created_at": created_at,
            "started_at": started_at,
            "completed_at": completed_at,
        }
        for time in times:
            if self._is_likely(0.03):
                times[time] = self._choose([*ZERO_TIMES, None])
        return {
            "run_id": self._common["run_id"],
            "run_attempt": attempt,
            "repository_id": self._common["repository_id"],
            "name": name,
            "status": status,
            "conclusion": conclusion if status == "completed" else None,
            **times,
            "completed_at": times["completed_at"] if status == "completed" else None,
            "labels": self._choose(LABELS),
            "runner_id": runner_id,
            "runner_name": runner_name,
            "runner_group_name": self._choose(GROUPS),
            "steps": self._steps(started_at, conclusion),
        }

    def _steps(self, started_at: datetime, conclusion: str | None) -> list[Row]:
        """With gaps; some have no number or another's, some milliseconds."""
        time, steps = started_at, []
        for number in range(1, self._random.randrange(5)):
            ended_at = time + timedelta(milliseconds=self._choose([0, 250, 1_000, 90_000, -2_000]))
            end = self._choose(["success", "success", "skipped", conclusion])
            steps.append(
                {
                    "number": self._choose([number] * 6 + [number + 7, number - 1, None]),
                    "name": self._choose(["Set up job", "Run tests", "", None]),
                    "status": "completed",
                    "conclusion": end,
                    "started_at": self._choose([_iso(time)] * 5 + [None]),
                    "completed_at": _iso(ended_at),
                }
            )
            time = ended_at
        return steps

    def _add_job(self, row: Row) -> None:
        """See it on its way and at its end; now and then otherwise, too, or under two attempts."""
        self._job_id += 1
        row = {"job_id": self._job_id, **row}
        if self._is_likely(0.3):
            status = self._choose(["queued", "in_progress", "waiting"])
            on_its_way = {"status": status, "conclusion": "", "completed_at": None}
            if status != "in_progress":
                on_its_way["started_at"] = row["created_at"]
            shown = self._random.randrange(len(row["steps"]) + 1)
            self._observe("jobs", {**row, **on_its_way, "steps": row["steps"][:shown]})
        self._observe("jobs", row)
        if self._is_likely(0.1):
            otherwise = {"name": None, "labels": self._choose(LABELS), "runner_name": None}
            later = {**row, **otherwise, "run_attempt": row["run_attempt"] + self._choose([0, 1])}
            self._see(self._choose(["workflow_jobs", "webhook_jobs"]), later)

    def _see(self, table: str, row: Row) -> None:
        self.observations.append((table, row))

    def _observe(self, kind: str, row: Row) -> None:
        """See a state of a run or job by polling, by webhooks in some shape, or by both."""
        seen_by = self._choose(["poll", "poll", "webhook", "both", "both"])
        if seen_by != "webhook":
            gone_at = self._choose([None] * 9 + [START]) if kind == "runs" else None
            self._see(f"workflow_{kind}", {**row, "gone_at": gone_at})
        if seen_by != "poll":
            for _ in range(self._choose([1, 1, 1, 2])):
                self._see(f"webhook_{kind}", self._shape(row))

    def _shape(self, row: Row) -> Row:
        """What a webhook says of it: sometimes less, or another creation time."""
        kept = self._choose([1.0, 1.0, 0.8])
        shape: Row = {
            name: value
            if name in ALWAYS_THERE or self._is_likely(kept)
            else self._choose([None, "" if isinstance(value, str) else None])
            for name, value in row.items()
        }
        if "job_id" in row and self._is_likely(0.2):
            shape["run_attempt"] = None
        if "job_id" in row and self._is_likely(0.1):
            shape["labels"] = []
        if "job_id" not in row and self._is_likely(0.1):
            shape["pull_request_numbers"] = []
        if "job_id" not in row and shape["created_at"] and self._is_likely(0.1):
            shape["created_at"] -= timedelta(days=1)
        return shape

    def _told_otherwise(self, row: Row) -> Row:
        """What another poll tells of it: less, or another creation, branch, event or source."""
        changes: Row = {
            "created_at": row["created_at"] and row["created_at"] - timedelta(days=1),
            "head_branch": self._choose([None, "main", "topic"]),
            "head_repository_id": self._choose([None, 999]),
            "event": self._choose([None, "push", "pull_request"]),
        }
        some = dict(self._random.sample(list(changes.items()), 2))
        return {**row, **some, "display_title": "x"}


def _iso(time: datetime) -> str:
    return time.isoformat().replace("+00:00", "Z")
