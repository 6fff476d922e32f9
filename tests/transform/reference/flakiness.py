"""Jobs that failed and then passed in the same run, and commits that did both."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from tests.transform.reference.attempts import FAILED
from tests.transform.reference.raw import Row
from tests.transform.reference.rows import grouped, total
from tests.transform.reference.times import EARLIEST, seconds


def ambiguous_names(jobs: Iterable[Row]) -> set[str | None]:
    """Names that executed twice in any attempt of the run, whose jobs these are."""
    executed = Counter((job["run_attempt"], job["name"]) for job in jobs if job["is_executed"])
    return {name for (_, name), count in executed.items() if count > 1}


def flaky_job_occurrences(jobs: Iterable[Row], runs: Mapping[int, Row]) -> list[Row]:
    """Of billed jobs, by run and name."""
    found: list[Row | None] = []
    for (run_id,), own in grouped(jobs, "run_id").items():
        left_out = ambiguous_names(own)
        executed = [job for job in own if job["is_executed"] and job["name"] not in left_out]
        found += [_occurrence(same, runs[run_id]) for same in grouped(executed, "name").values()]
    return [occurrence for occurrence in found if occurrence]


def flaky_commit_count(attempts: Iterable[Row]) -> int:
    """Commits with both a failed and a successful completed attempt among these."""
    conclusions: dict[Any, set[Any]] = defaultdict(set)
    for row in attempts:
        if row["is_completed"] and row["head_sha"]:
            conclusions[row["head_sha"]].add(row["conclusion"])
    return sum("success" in each and not each.isdisjoint(FAILED) for each in conclusions.values())


def _occurrence(executions: list[Row], run: Row) -> Row | None:
    """Of the executions of one name, at most one in each attempt."""
    executions = sorted(executions, key=lambda job: job["run_attempt"])
    ended = [job for job in executions if job["is_ended"]]
    failures = [job for job in ended if job["conclusion"] in FAILED]
    failed = failures[0] if failures else None
    passes = [
        job
        for job in ended
        if failed and job["run_attempt"] > failed["run_attempt"] and job["conclusion"] == "success"
    ]
    if failed is None or not passes:
        return None
    passed = passes[0]
    wasted = [total(failures, name) for name in ("billable_minutes", "self_hosted_minutes")]
    return {
        "repository_id": failed["repository_id"],
        "workflow_id": failed["workflow_id"],
        "run_id": failed["run_id"],
        "job_name": failed["name"],
        "day": failed["day"],
        "event": run["event"],
        "head_branch": run["head_branch"],
        "head_sha": run["head_sha"],
        "failed_attempt": failed["run_attempt"],
        "failed_job_id": failed["job_id"],
        "failed_conclusion": failed["conclusion"],
        "failed_at": failed["completed_at"],
        "failed_step_number": failed["failed_step_number"],
        "failed_step_name": failed["failed_step_name"],
        "failed_runner_name": failed["runner_name"],
        "passed_attempt": passed["run_attempt"],
        "passed_job_id": passed["job_id"],
        "passed_at": passed["completed_at"],
        "passed_runner_name": passed["runner_name"],
        "lost_seconds": _lost_seconds(failed["completed_at"], passed["completed_at"]),
        "flaky_wasted_minutes": sum(wasted),
        "flaky_cost_usd": total(failures, "estimated_cost_usd"),
        "is_lower_bound": any(job["estimated_cost_usd"] is None for job in failures),
    }


def _lost_seconds(failed_at: datetime | None, passed_at: datetime | None) -> int | None:
    """How much later it passed; that can be more than 35 days, as it spans attempts."""
    if failed_at is not None and failed_at < EARLIEST:
        return None
    return seconds(failed_at, passed_at)
