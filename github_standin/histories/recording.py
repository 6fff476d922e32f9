"""Real history from `recordings/`, loaded into a world; what the files lack is synthesised here.

`github_standin/README.md` says field by field what is recorded and what is not.
"""

import csv
import gzip
import io
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from github_standin.world.model import Account, Job, Run, Runner, Step, account
from github_standin.world.world import World

FOLDER = Path(__file__).parents[1] / "recordings"

_CONCLUSIONS = {"COMPLETED": "success", "FAILED": "failure", "ABORTED": "cancelled"}
_PUSHED_BRANCHES = ("master", "29.x", "30.x")
_LABELS = (
    ("macOS-cross", "ubuntu-24.04"),
    ("macOS 13", "macos-13"),
    ("macOS", "macos-14"),
    ("Windows", "windows-2022"),
    ("Win64 native", "windows-2022"),
    ("Win64, unit tests", "windows-2022"),
    ("windows-native-dll", "windows-2022"),
    ("32 bit ARM", "ubuntu-24.04-arm"),
    ("ARM, unit tests", "ubuntu-24.04-arm"),
)


@dataclass(frozen=True)
class Recording:
    """A recording: the repository it fills, and when its first and last change happened."""

    name: str
    full_name: str
    first: datetime
    last: datetime


def names() -> tuple[str, ...]:
    """The recordings that there are."""
    runs = sorted(path.parent.name for path in (FOLDER / "tenstorrent").glob("*/workflow.json"))
    return ("bitcoin-core-ci", *(f"tenstorrent-{run}" for run in runs))


def load(world: World, name: str, shift: timedelta = timedelta(0)) -> Recording:
    """Add the recording *name* to *world*, every time of it moved by *shift*."""
    if name == "bitcoin-core-ci":
        runs = _load_bitcoin_core_ci(world, shift)
    else:
        runs = [_load_tenstorrent(world, name.removeprefix("tenstorrent-"), shift)]
    ends = [end for run in runs for attempt in run.attempts if (end := attempt.ends_at)]
    full_name = world.repositories[runs[0].repository_id].full_name
    return Recording(name, full_name, min(run.created_at for run in runs), max(ends))


@cache
def original(name: str) -> Recording:
    """The recording *name* as it happened."""
    return load(World(), name)


def load_all(world: World) -> list[Recording]:
    """Add every recording to *world*, at the times at which it happened."""
    return [load(world, name) for name in names()]


def _load_bitcoin_core_ci(world: World, shift: timedelta) -> list[Run]:
    nobody = account("not-recorded")
    repository = world.add_repository(
        "bitcoin/bitcoin",
        repository_id=1_181_927,
        owner=Account(528_860, "bitcoin", "Organization"),
        created_at=_moment("2010-12-19T15:16:43Z"),
        default_branch="master",
    )
    workflow = world.add_workflow(
        repository, "CI", workflow_id=62_504_003, created_at=_moment("2023-07-12T00:00:00Z")
    )
    rows: dict[int, list[dict[str, str]]] = {}
    for row in _bitcoin_rows():
        rows.setdefault(int(row["run_id"]), []).append(row)
    runs = []
    for run_id, of_run in sorted(rows.items(), key=lambda item: item[1][0]["run_created_at"]):
        first = of_run[0]
        created_at = _moment(first["run_created_at"]) + shift
        pushed = first["head_branch"] in _PUSHED_BRANCHES
        runs.append(
            world.add_run(
                workflow,
                created_at,
                [_bitcoin_job(row, shift) for row in of_run],
                run_id=run_id,
                event="push" if pushed else "pull_request",
                head_branch=first["head_branch"],
                head_sha=first["head_sha"],
                actor=nobody,
                conclusion=_CONCLUSIONS[first["run_status_mapped"]],
                display_title=first["commit_title"],
            )
        )
    return runs


@cache  # read twice at the first start: for its bounds, then moved
def _bitcoin_rows() -> list[dict[str, str]]:
    path = FOLDER / "bitcoin-core-ci" / "jobs.share.csv.gz"
    text = gzip.decompress(path.read_bytes()).decode()
    return list(csv.DictReader(io.StringIO(text)))


def _bitcoin_job(row: dict[str, str], shift: timedelta) -> Job:
    job_id = int(row["job_id"])
    started_at, completed_at = _moment(row["started_at"]), _moment(row["completed_at"])
    conclusion = _CONCLUSIONS[row["status_mapped"]]
    # A job that was cancelled in no time, or "before" it began, never ran.
    never_ran = conclusion == "cancelled" and completed_at <= started_at
    runner_id = 1_000_000_000 + job_id % 100_000_000
    return Job(
        job_id,
        row["name"],
        _moment(row["run_created_at"]) + shift,
        started_at + shift,
        completed_at + shift,
        conclusion,
        (_bitcoin_label(row["name"]),),
        None if never_ran else Runner(runner_id, f"GitHub Actions {runner_id}"),
    )


@cache
def _bitcoin_label(name: str) -> str:
    return next((label for start, label in _LABELS if name.startswith(start)), "ubuntu-24.04")


def _load_tenstorrent(world: World, run_id: str, shift: timedelta) -> Run:
    folder = FOLDER / "tenstorrent" / run_id
    recorded: dict[str, Any] = json.loads((folder / "workflow.json").read_text())
    jobs = json.loads((folder / "workflow_jobs.json").read_text())["jobs"]
    of_run = recorded["repository"]
    repository = world.add_repository(
        of_run["full_name"],
        repository_id=of_run["id"],
        owner=_account(of_run["owner"]),
        description=of_run["description"],
        fork=of_run["fork"],
        visibility="private" if of_run["private"] else "public",
    )
    workflow = world.add_workflow(
        repository, recorded["name"], path=recorded["path"], workflow_id=recorded["workflow_id"]
    )
    commit = recorded["head_commit"]
    committed_at = _moment(commit["timestamp"]) + shift
    run = world.add_run(
        workflow,
        _moment(recorded["created_at"]) + shift,
        [_tenstorrent_job(job, shift) for job in jobs],
        run_id=recorded["id"],
        event=recorded["event"],
        head_branch=recorded["head_branch"],
        head_sha=recorded["head_sha"],
        actor=_account(recorded["actor"]),
        run_started_at=_moment(recorded["run_started_at"]) + shift,
        ended_at=_moment(recorded["updated_at"]) + shift,
        conclusion=recorded["conclusion"],
        name=recorded["name"],
        run_number=recorded["run_number"],
        display_title=recorded["display_title"],
        check_suite_id=recorded["check_suite_id"],
        pull_requests=recorded["pull_requests"],
        referenced_workflows=recorded["referenced_workflows"],
        head_commit=commit | {"timestamp": committed_at.strftime("%Y-%m-%dT%H:%M:%SZ")},
    )
    run.attempts[0].triggering_actor = _account(recorded["triggering_actor"])
    return run


def _tenstorrent_job(job: dict[str, Any], shift: timedelta) -> Job:
    runner = None
    if job["runner_id"] is not None:
        runner = Runner(
            job["runner_id"], job["runner_name"], job["runner_group_id"], job["runner_group_name"]
        )
    return Job(
        job["id"],
        job["name"],
        _moment(job["created_at"]) + shift,
        _moment(job["started_at"]) + shift,
        _moment(job["completed_at"]) + shift,
        job["conclusion"],
        tuple(job["labels"]),
        runner,
        tuple(_step(step, shift) for step in job["steps"]),
    )


def _step(step: dict[str, Any], shift: timedelta) -> Step:
    started_at, completed_at = (
        None if step[key] is None else _moment(step[key]) + shift
        for key in ("started_at", "completed_at")
    )
    return Step(step["number"], step["name"], step["conclusion"], started_at, completed_at)


def _account(recorded: dict[str, Any]) -> Account:
    return Account(recorded["id"], recorded["login"], recorded["type"])


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
