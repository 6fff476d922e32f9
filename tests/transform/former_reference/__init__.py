"""The definitions of docs/metrics.md read a second time, row by row and as literally as Python can.

Slow and simple on purpose: the models are compared with it on random histories. It reads them as
they were before they were sharpened, and goes once the models follow (`reference`).
"""

import math
from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

from tests.transform.former_reference.cost import PRICES, judge, total, totals
from tests.transform.former_reference.health import count_jobs
from tests.transform.raw_rows import Row

DECISIVE = {"success", "failure", "timed_out", "startup_failure"}
FAILED = {"failure", "timed_out"}
CONCLUSIONS = [*sorted(DECISIVE), "cancelled", "skipped", "action_required", "neutral", "stale"]
CLASSES = {
    "ubuntu-latest": "linux",
    "ubuntu-24.04-arm": "linux_2_core_arm",
    "self-hosted": "self_hosted",
    "windows-2022": "windows",
    "macos-15-xlarge": "macos_xlarge",
    "ubuntu-22.04-16-cores": "linux_16_core",
}


def compute(
    raw_attempts: list[Row], raw_jobs: list[Row], visibility: dict[int, str | None]
) -> dict[str, dict[Any, Row]]:
    """Give `{mart: {key: {column: value}}}` for the columns that are computed, not copied."""
    attempts = {(row["run_id"], row["run_attempt"]): row for row in map(_known, raw_attempts)}
    jobs = [_known(row) for row in raw_jobs]
    for job in sorted(jobs, key=lambda job: job["run_attempt"]):
        _judge_job(job, jobs, attempts)
    for (run_id, number), attempt in attempts.items():
        own = [job for job in jobs if (job["run_id"], job["run_attempt"]) == (run_id, number)]
        _measure_attempt(attempt, own)
    runs = {}
    for run_id in {run_id for run_id, _ in attempts}:
        own = [row for key, row in sorted(attempts.items()) if key[0] == run_id]
        if any(row["created_at"] for row in own):
            runs[run_id] = _run(own)
    filed = {job["job_id"]: job for job in jobs if job["run_id"] in runs}
    for job in filed.values():
        job["day"] = runs[job["run_id"]]["day"]
    judge(list(filed.values()), runs, visibility)
    days = defaultdict(list)
    for run in runs.values():
        days[run["repository_id"], run["workflow_id"], run["day"]].append(run)
    return {
        "workflow_run_attempts": attempts,
        "workflow_runs": runs,
        "jobs": filed,
        "workflow_statistics_by_day": {
            key: _statistics(own, attempts, filed) for key, own in days.items()
        },
    }


def _known(row: Row) -> Row:
    return {name: None if value == "" else value for name, value in row.items()}


def _seconds(earlier: datetime | None, later: datetime | None) -> int | None:
    if earlier is None or later is None or later < earlier:
        return None
    return int((later - earlier).total_seconds())


def _judge_job(job: Row, jobs: list[Row], attempts: dict[Any, Row]) -> None:
    """Jobs of earlier attempts have been judged already."""
    attempt = attempts.get((job["run_id"], job["run_attempt"]), {})
    times = (job["name"], job["started_at"], job["completed_at"])
    repeats = job["started_at"] is not None and any(
        other["run_id"] == job["run_id"]
        and other["run_attempt"] < job["run_attempt"]
        and (other["name"], other["started_at"], other["completed_at"]) == times
        and other["is_executed"]
        for other in jobs
    )
    attempt_started = attempt.get("run_started_at")
    precedes = (
        job["run_attempt"] > 1
        and None not in (job["started_at"], attempt_started)
        and job["started_at"] < attempt_started
    )
    job["is_carried_over"] = repeats or precedes
    job["is_executed"] = (
        not job["is_carried_over"]
        and bool(job["runner_id"] or job["runner_name"])
        and job["status"] in ("in_progress", "completed")
    )
    ended = job["is_executed"] and job["status"] == "completed"
    job["queue_seconds"] = job["duration_seconds"] = None
    job["is_impossible_queue"] = job["is_impossible_duration"] = False
    if job["is_executed"]:
        job["queue_seconds"] = _seconds(job["created_at"], job["started_at"])
        known = None not in (job["created_at"], job["started_at"])
        job["is_impossible_queue"] = known and job["queue_seconds"] is None
    if ended:
        job["duration_seconds"] = _seconds(job["started_at"], job["completed_at"])
        known = None not in (job["started_at"], job["completed_at"])
        job["is_impossible_duration"] = known and job["duration_seconds"] is None
    labels = [label.lower() for label in job["labels"] or []]
    classes = [CLASSES[label] for label in labels if label in CLASSES]
    job["runner_class"] = classes[0] if classes else "unknown"
    if PRICES.get(job["runner_class"], ("", False))[1] and _is_own(job):
        job["runner_class"] = "self_hosted"
    minutes = math.ceil((job["duration_seconds"] or 0) / 60) if ended else None
    is_own, is_unknown = (job["runner_class"] == each for each in ("self_hosted", "unknown"))
    job["billable_minutes"] = minutes if minutes is None or not (is_own or is_unknown) else 0
    job["self_hosted_minutes"] = minutes if minutes is None or is_own else 0


def _is_own(job: Row) -> bool:
    """Whether a runner with a standard label is none of GitHub's."""
    group, name = job["runner_group_name"], job["runner_name"] or ""
    return group not in (None, "GitHub Actions") and not name.startswith(
        ("GitHub Actions ", "Hosted Agent")
    )


def _measure_attempt(attempt: Row, jobs: list[Row]) -> None:
    executed = [job for job in jobs if job["is_executed"]]
    ends = [job["completed_at"] for job in executed if job["completed_at"]]
    starts = [job["started_at"] for job in executed if job["started_at"]]
    is_completed = attempt["status"] == "completed"
    attempt["is_completed"] = is_completed
    attempt["is_decisive"] = is_completed and attempt["conclusion"] in DECISIVE
    attempt["ended_at"] = max(ends, default=None) if is_completed else None
    started_at = attempt["run_started_at"]
    attempt["duration_seconds"] = _seconds(started_at, attempt["ended_at"])
    attempt["api_duration_seconds"] = (
        _seconds(started_at, attempt["updated_at"]) if is_completed else None
    )
    attempt["queue_seconds"] = _seconds(started_at, min(starts, default=None))
    attempt["jobs_listed"] = len(jobs)
    attempt["jobs_executed"] = len(executed)
    attempt.update(count_jobs(jobs))


def _run(attempts: list[Row]) -> Row:
    newest, first = attempts[-1], attempts[0]
    created_at = next(row["created_at"] for row in attempts if row["created_at"])
    has_first = first["run_attempt"] == 1
    failed = [row["run_attempt"] for row in attempts if row["conclusion"] in FAILED]
    passed = [row["run_attempt"] for row in attempts if row["conclusion"] == "success"]
    return {
        **newest,
        "created_at": created_at,
        "day": created_at.astimezone(UTC).date(),
        "first_attempt_conclusion": first["conclusion"] if has_first else None,
        "time_to_signal_seconds": _seconds(created_at, first["ended_at"]) if has_first else None,
        "is_flaky": any(early < late for early in failed for late in passed),
    }


def _statistics(runs: list[Row], attempts: dict[Any, Row], jobs: dict[Any, Row]) -> Row:
    ids = {run["run_id"] for run in runs}
    completed = [run["conclusion"] for run in runs if run["is_completed"]]
    firsts = [run["first_attempt_conclusion"] for run in runs]
    every = [row for row in attempts.values() if row["run_id"] in ids]
    own_jobs = [job for job in jobs.values() if job["run_id"] in ids]
    reruns = [run["run_attempt"] - 1 for run in runs]
    decisive = sum(conclusion in DECISIVE for conclusion in completed)
    first_decisive = sum(conclusion in DECISIVE for conclusion in firsts)
    return {
        "run_count": len(runs),
        "completed_count": len(completed),
        **{f"{each}_count": completed.count(each) for each in CONCLUSIONS},
        "other_conclusion_count": sum(each not in CONCLUSIONS for each in completed),
        "decisive_count": decisive,
        "success_rate": _share(completed.count("success"), decisive),
        "first_attempt_success_count": firsts.count("success"),
        "first_attempt_decisive_count": first_decisive,
        "first_attempt_success_rate": _share(firsts.count("success"), first_decisive),
        "success_rate_completed": _share(completed.count("success"), len(completed)),
        "rerun_count": sum(extra > 0 for extra in reruns),
        "extra_attempt_count": sum(reruns),
        "rerun_rate": _share(sum(extra > 0 for extra in reruns), len(runs)),
        "flaky_run_count": sum(run["is_flaky"] for run in runs),
        "flaky_commit_count": _flaky_commits(every),
        "flaky_commit_latest_count": _flaky_commits(runs),
        "jobs_listed": len(own_jobs),
        "jobs_executed": sum(job["is_executed"] for job in own_jobs),
        "jobs_carried_over": sum(job["is_carried_over"] for job in own_jobs),
        "impossible_queue_count": sum(job["is_impossible_queue"] for job in own_jobs),
        "impossible_duration_count": sum(job["is_impossible_duration"] for job in own_jobs),
        "billable_minutes": total(own_jobs, "billable_minutes"),
        "self_hosted_minutes": total(own_jobs, "self_hosted_minutes"),
        **totals(own_jobs),
    }


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _flaky_commits(rows: list[Row]) -> int:
    conclusions = defaultdict(set)
    for row in rows:
        if row["is_completed"] and row["head_sha"]:
            conclusions[row["head_sha"]].add(row["conclusion"])
    return sum("success" in each and bool(each & FAILED) for each in conclusions.values())
